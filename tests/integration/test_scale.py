"""Many ranks on few cores."""
import pytest


@pytest.mark.slow
def test_64_ranks_on_few_cores_finish(wiremark, mpirun, load_result, tmp_path):
    env = {"OMPI_MCA_mpi_yield_when_idle": "1"}
    end = mpirun(64, wiremark, "run", "allreduce", "alltoall", "broadcast", "--max-bytes", "4K", "--output", "r.json",
                 "--timeout", "300s", env=env, timeout=900)
    assert end.rc == 0, end.output
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
