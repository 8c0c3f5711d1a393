"""What a run leaves: the document, its older brother, the other formats, and what recover makes of a journal."""
import csv
import io
import json
import os
import subprocess

import pytest

SMALL = ["--bytes", "8,4K", "--cell-time", "20ms"]
ALL = ["latency", "bandwidth", "bibandwidth", "message-rate", "put-latency", "put-bandwidth", "get-latency",
       "get-bandwidth", "fan-in", "fan-out", "allreduce", "alltoall", "alltoallv", "broadcast", "allgather",
       "reduce-scatter", "reduce", "gather", "scatter", "barrier"]


@pytest.mark.parametrize("ranks", [2, 3])
def test_every_benchmark_and_algorithm_is_measured_and_verified(wiremark, mpirun, load_result, tmp_path, ranks):
    end = mpirun(ranks, wiremark, "run", *ALL, "--algo", "all", *SMALL, "--output", "r.json")
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    assert result["coverage"]["measured"] == result["coverage"]["planned"] == len(result["cells"])
    assert {cell["bench"] for cell in result["cells"]} == set(ALL)
    for cell in result["cells"]:
        assert cell["time_ns"]["min"] <= cell["time_ns"]["median"] <= cell["time_ns"]["max"], cell["id"]
        if cell["bench"] != "barrier":
            assert cell["verify"]["checked_bytes"] >= cell["bytes"] and cell["verify"]["wrong_elements"] == 0, cell["id"]
    compared = {c["bench"]: c for c in result["comparisons"]}
    assert compared["allreduce"]["baseline"] == "algo=native" and compared["allreduce"]["interleaved"] is True


@pytest.mark.slow
def test_every_type_and_operator_in_and_out_of_place(wiremark, mpirun, load_result, tmp_path):
    for place in ([], ["--in-place"]):
        end = mpirun(3, wiremark, "run", "allreduce", "reduce-scatter", "--dtype",
                     "int8,int32,int64,float,double,half,bfloat16", "--op", "sum,min,max,prod", "--algo", "all",
                     "--bytes", "264", "--cell-time", "2ms", "--output", "r.json", "--force", *place)
        result = load_result(tmp_path / "r.json")
        states = {cell["status"] for cell in result["cells"] if cell["dtype"] not in ("half", "bfloat16")}
        assert states == {"measured"}, end.output
        for cell in result["cells"]:
            if cell["dtype"] in ("half", "bfloat16") and cell["algo"] == "native":
                assert cell["status"] == "skipped" and "composed" in cell["reason"], cell["id"]
            else:
                assert cell["status"] == "measured" and cell["verify"]["wrong_elements"] == 0, cell["id"]
        assert end.rc == 3  # what was named and could not be measured


@pytest.mark.slow
def test_roots_buffers_windows_and_pairs(wiremark, mpirun, load_result, tmp_path):
    runs = [["broadcast", "reduce", "gather", "scatter", "--root", "1,rotate", "--algo", "all"],
            ["bandwidth", "latency", "--buffers", "hot,distinct,cold", "--window", "1,7"],
            ["latency", "put-latency", "--pairs", "2-1,same-host"],
            ["bandwidth", "--pairs", "2"],
            ["latency", "--pairs", "all"],
            ["allreduce", "alltoall", "--sync", "none,barrier"]]
    for words in runs:
        end = mpirun(4, wiremark, "run", *words, *SMALL, "--output", "r.json", "--force")
        assert end.rc == 0, (words, end.output)
        result = load_result(tmp_path / "r.json")
        assert result["coverage"]["measured"] == result["coverage"]["planned"], words
    assert len({cell["id"] for cell in result["cells"]}) == len(result["cells"])


def test_pairs_at_once_each_have_their_median(wiremark, mpirun, load_result, tmp_path):
    assert mpirun(4, wiremark, "run", "bandwidth", "--pairs", "2", *SMALL, "--output", "r.json").rc == 0
    for cell in load_result(tmp_path / "r.json")["cells"]:
        assert [(p["from"], p["to"]) for p in cell["pairs"]] == [(0, 2), (1, 3)]
        assert all(p["median_ns"] <= cell["time_ns"]["max"] for p in cell["pairs"])


def test_the_simulated_delay_is_measured_and_marked(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", "--transport", "sim", "--sim-delay", "3ms", "--bytes", "8",
                 "--output", "r.json")
    assert end.rc == 0 and "SIMULATED" in end.stdout.upper(), end.output
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert cell["simulated"] is True
    assert 3e6 <= cell["time_ns"]["median"]
    assert cell["settings"]["sim-delay"] == "3000000ns"


def test_a_time_is_never_less_than_the_clock_can_tell(wiremark, mpirun, preload, load_result, tmp_path):
    """What a disturbed machine's clock seems to cost is more than an operation that moves nothing takes."""
    end = mpirun(2, wiremark, "run", "latency", "allreduce", "--transport", "null", "--bytes", "8", "--cell-time", "20ms",
                 "--output", "r.json", env={"LD_PRELOAD": preload("clock")})
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    assert result["environment"]["clock"]["cost_ns"] > 1000
    for cell in result["cells"]:
        assert cell["time_ns"]["min"] > 0, cell["id"]
    assert subprocess.run([wiremark, "report", "r.json", "-o", "page.html"], cwd=tmp_path).returncode == 0


def test_arms_are_compared_with_the_first(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", "--transport", "mpi,sim", "--sim-delay", "1ms", "--bytes", "8,64",
                 "--output", "r.json")
    assert end.rc == 0, end.output
    comparison, = load_result(tmp_path / "r.json")["comparisons"]
    assert comparison["baseline"] == "transport=mpi" and comparison["varies"] == ["transport"]
    points = comparison["points"][0]
    assert [p["bytes"] for p in points] == [8, 64] and all(p["ratio"] > 10 for p in points)


def test_the_default_file_is_set_aside_not_lost(wiremark, mpirun, load_result, tmp_path):
    for _ in range(3):
        assert mpirun(2, wiremark, "run", "latency", "--bytes", "8").rc == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 3 and "wiremark-result.json" in names, names
    for name in names:
        load_result(tmp_path / name)


def test_csv_and_json_say_the_same_as_the_document(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", *SMALL, "--format", "csv", "--output", "a.json")
    rows = list(csv.DictReader(io.StringIO(end.stdout)))
    cells = load_result(tmp_path / "a.json")["cells"]
    assert [row["id"] for row in rows] == [cell["id"] for cell in cells]
    assert [float(row["time_ns.median"]) for row in rows] == [cell["time_ns"]["median"] for cell in cells]
    end = mpirun(2, wiremark, "run", "latency", *SMALL, "--format", "json", "--output", "b.json")
    assert [json.loads(line) for line in end.stdout.splitlines()] == load_result(tmp_path / "b.json")["cells"]


def test_raw_samples_are_kept_when_asked_for(wiremark, mpirun, load_result, tmp_path):
    assert mpirun(2, wiremark, "run", "latency", *SMALL, "--raw-samples", "--output", "r.json").rc == 0
    for cell in load_result(tmp_path / "r.json")["cells"]:
        kept = cell["raw_ns"]
        assert len(kept) == min(cell["time_ns"]["samples"], 65536)


def test_secrets_stay_out_of_the_result(wiremark, mpirun, load_result, tmp_path):
    env = {"FI_SECRET_TOKEN": "hush", "NCCL_MY_KEY": "hush", "UCX_NET_DEVICES": "lo"}
    assert mpirun(2, wiremark, "run", "latency", "--bytes", "8", "--output", "r.json", env=env).rc == 0
    assert "hush" not in (tmp_path / "r.json").read_text()
    assert load_result(tmp_path / "r.json")["environment"]["variables"]["UCX_NET_DEVICES"] == "lo"


def test_total_time_leaves_the_rest_not_run_and_says_so(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", "--total-time", "100ms", "--output", "r.json")
    result = load_result(tmp_path / "r.json")
    assert end.rc == 3, end.output
    coverage = result["coverage"]
    assert coverage["not_run"] > 0 and coverage["measured"] >= 1
    assert coverage["planned"] == sum(coverage[k] for k in ("measured", "failed", "timeout", "skipped", "not_run"))


def test_verification_can_be_switched_off_and_is_then_absent(wiremark, mpirun, load_result, tmp_path):
    assert mpirun(2, wiremark, "run", "latency", "--bytes", "8", "--verify", "off", "--output", "r.json").rc == 0
    assert "verify" not in load_result(tmp_path / "r.json")["cells"][0]


def test_recover_makes_a_valid_result_of_a_cut_journal(wiremark, mpirun_start, start, load_result, tmp_path):
    program = mpirun_start(2, wiremark, "run", "latency", "--cell-time", "1s", "--output", "r.json")
    journal = tmp_path / "r.json.journal"
    while not journal.exists() or journal.read_bytes().count(b'{"cell"') < 2:
        assert program.running(), program.stderr()
    for pid in program.pids("mpirun") + program.pids("wiremark"):
        os.kill(pid, 9)
    program.finish(30)
    with open(journal, "a") as file:
        file.write('{"cell": {"id": "cut off in the mid')
    end = start([wiremark, "recover", "r.json.journal"]).finish(30)
    assert end.rc == 0 and "cut off" in end.stdout, end.output
    result = load_result(tmp_path / "r.json")
    assert result["complete"] is False and result["coverage"]["measured"] >= 2
    assert result["coverage"]["not_run"] == result["coverage"]["planned"] - result["coverage"]["measured"]


@pytest.fixture
def small_disk(tmp_path):
    """small_disk("128k") -> a folder on a disk of that size."""
    if os.geteuid() != 0:
        pytest.skip("a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(size):
        end = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], stderr=subprocess.PIPE, text=True)
        if end.returncode:
            pytest.skip("no small disk: " + end.stderr.strip())
        return disk

    yield mount
    if os.path.ismount(disk):
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("size, words", [("128k", ["latency", "bandwidth", "allreduce", "--raw-samples"]),
                                         ("64k", ["allreduce", "--algo", "native,ring"])], ids=["benchmarks", "arms"])
def test_a_disk_that_fills_keeps_the_complete_records(wiremark, mpirun, start, load_result, tmp_path, small_disk, size,
                                                      words):
    disk = small_disk(size)
    end = mpirun(2, wiremark, "run", *words, "--cell-time", "5ms", "--output", disk / "r.json")
    assert end.rc == 3, end.output
    assert "No space left" in end.stderr, end.stderr
    recovered = start([wiremark, "recover", disk / "r.json.journal", "--output", tmp_path / "r.json"]).finish(30)
    assert recovered.rc == 0, recovered.output
    result = load_result(tmp_path / "r.json")
    measured = [cell["bytes"] for cell in result["cells"] if cell["status"] == "measured"]
    assert 1 <= len(measured) == result["coverage"]["measured"] < result["coverage"]["planned"]
    points = [point["bytes"] for comparison in result["comparisons"] for point in comparison["points"][0]]
    assert all(measured.count(point) == 2 for point in points) and (points != []) == ("--algo" in words)
