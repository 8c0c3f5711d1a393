"""Many ranks on few cores."""
import time

import pytest


def private_bytes(pid):
    """Memory of its own, not shared with others or with files; 0 when it has gone."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))
    except (OSError, StopIteration):
        return 0


@pytest.mark.slow
def test_64_ranks_on_few_cores_finish_in_little_memory(wiremark, mpirun_start, load_result, tmp_path):
    program = mpirun_start(64, wiremark, "run", "allreduce", "alltoall", "broadcast", "--max-bytes", "4K", "--output",
                           "r.json", "--timeout", "300s", env={"OMPI_MCA_mpi_yield_when_idle": "1"})
    most = 0
    while program.running():
        most = max([most, *map(private_bytes, program.pids("wiremark"))])
        time.sleep(1)
    end = program.finish(900)
    assert end.rc == 0 and not end.timed_out, end.output
    assert 0 < most < 16 << 20  # the MPI library's own included; the buffers are a few KiB here
    result = load_result(tmp_path / "r.json")
    assert result["coverage"]["measured"] == result["coverage"]["planned"] == len(result["cells"])
    assert all(cell["noise"]["oversubscribed"] for cell in result["cells"])


@pytest.mark.slow
def test_messages_above_2_gib(wiremark, mpirun, load_result, tmp_path):
    with open("/proc/meminfo") as file:
        free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    if free < 16 << 30:
        pytest.skip("needs 16 GiB of free memory")
    end = mpirun(2, wiremark, "run", "latency", "broadcast", "--bytes", "2500M", "--cell-time", "100ms", "--output",
                 "r.json", timeout=600)
    assert end.rc == 0, end.output
    for cell in load_result(tmp_path / "r.json")["cells"]:
        assert cell["verify"]["checked_bytes"] >= 2500 << 20 and cell["verify"]["wrong_elements"] == 0
