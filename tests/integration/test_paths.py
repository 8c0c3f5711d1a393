"""Device memory by every path, on the simulated device: that it is verified, compared, marked, and what is said of it."""
import pytest

P2P = ["latency", "bandwidth", "bibandwidth", "message-rate", "fan-in", "fan-out"]
COLLECTIVES = ["allreduce", "alltoall", "broadcast", "allgather", "reduce-scatter", "reduce", "gather", "scatter"]
PATHS = ["direct", "staged", "pipelined"]
CHUNK = 4096
EDGES = [1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 1]


def run(mpirun, wiremark, ranks, *words, memory="simulated", env=None):
    return mpirun(ranks, wiremark, "run", *words, "--mem", memory, "--cell-time", "1ms", "--min-samples", "12", "--output",
                  "r.json", "--format", "none", "--force", env=env or {})


def all_verified(result):
    for cell in result["cells"]:
        assert cell["status"] == "measured", (cell["id"], cell.get("reason"))
        assert cell["verify"]["wrong_elements"] == 0 and cell["verify"]["checked_bytes"] > 0, cell["id"]
        assert cell["simulated"] is True, cell["id"]
    return result["cells"]


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("memory", ["simulated", "simulated:host", "host:simulated"])
def test_messages_arrive_by_every_path_at_the_edges_of_chunks(wiremark, mpirun, load_result, tmp_path, ranks, memory):
    end = run(mpirun, wiremark, ranks, *P2P, "--path", ",".join(PATHS), "--chunk", str(CHUNK), "--slots", "3", "--bytes",
              ",".join(map(str, EDGES)), memory=memory)
    assert end.rc == 0, end.output
    cells = all_verified(load_result(tmp_path / "r.json"))
    assert {(cell["bench"], cell["path"], cell["bytes"]) for cell in cells} == {
        (bench, path, size) for bench in P2P for path in PATHS for size in EDGES}
    assert {cell["mem"] for cell in cells} == {memory}


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["mpi", "sim", "ofi"])
def test_collectives_are_right_by_every_path_and_algorithm(wiremark, mpirun, load_result, tmp_path, transport):
    own = {"mpi": [], "sim": ["--sim-reorder"], "ofi": ["--provider", "tcp"]}[transport]
    algorithms = [] if transport == "ofi" else ["--algo", "all"]
    if transport == "ofi":
        algorithms = ["--algo", "ring,pairwise,binomial,linear,recursive-doubling,rabenseifner,bruck,chain"]
    groups = [g for g in COLLECTIVES if transport != "ofi" or g in ("allreduce", "alltoall", "broadcast")]
    end = run(mpirun, wiremark, 3, *groups, "--transport", transport, *own, *algorithms, "--path", ",".join(PATHS),
              "--chunk", str(CHUNK), "--slots", "2", "--bytes", "8,24K,36876", "--dtype", "int32")
    assert end.rc == 0, end.output
    cells = all_verified(load_result(tmp_path / "r.json"))
    assert {(cell["bench"], cell["path"]) for cell in cells} == {(bench, path) for bench in groups for path in PATHS}


@pytest.mark.slow
def test_in_place_and_every_root(wiremark, mpirun, load_result, tmp_path):
    end = run(mpirun, wiremark, 3, "allreduce", "alltoall", "reduce", "gather", "broadcast", "--in-place", "--root",
              "rotate", "--transport", "sim", "--algo", "all", "--path", "staged,pipelined", "--chunk", "1K", "--bytes", "12K")
    cells = load_result(tmp_path / "r.json")["cells"]
    wrong = [(cell["id"], cell.get("reason")) for cell in cells if cell["status"] not in ("measured", "skipped")]
    assert not wrong and end.rc in (0, 3), end.output
    assert all("in-place" in cell["reason"] or "in place" in cell["reason"] for cell in cells if cell["status"] == "skipped")
    assert sum(cell["status"] == "measured" for cell in cells) >= 10


def test_the_comparison_says_what_staging_costs(wiremark, mpirun, load_result, tmp_path):
    """A copy takes 2 ms, whatever else the machine does: staged and pipelined take about four, direct next to nothing."""
    end = mpirun(2, wiremark, "run", "latency", "--mem", "simulated", "--path", ",".join(PATHS), "--bytes", "8",
                 "--sim-device-delay", "2ms", "--cell-time", "0.2s", "--output", "r.json")
    assert end.rc == 0, end.output
    lines = end.stdout.splitlines()
    assert lines[0].startswith("latency  mpi") and "  simulated  " in lines[0] and lines[0].endswith("SIMULATED"), lines[0]
    closing = [line for line in lines if line.startswith("direct is ")]
    assert len(closing) == 1 and " staged at 8; pipelined recovers " in closing[0] and "% of direct" in closing[0]
    assert "in secret" not in end.stdout
    result = load_result(tmp_path / "r.json")
    by_path = {cell["path"]: cell for cell in result["cells"]}
    parts = by_path["staged"]["parts_ns"]
    assert parts["device_to_host"] >= 2e6 and parts["host_to_device"] >= 2e6
    assert 0 < parts["network"] < by_path["staged"]["time_ns"]["median"]
    assert by_path["staged"]["time_ns"]["median"] >= 4e6
    assert "parts_ns" not in by_path["direct"] and "parts_ns" not in by_path["pipelined"]
    assert by_path["pipelined"]["pipeline"] == {"chunk_bytes": 512 * 1024, "slots": 4}  # nothing to choose at 8 bytes
    comparison = result["comparisons"][0]
    assert comparison["varies"] == ["path"] and comparison["suspected_fallback"] is False
    assert comparison["points"][0][0]["ratio"] > 4


def test_chunk_and_slots_are_tried_once_a_class_of_sizes_and_recorded(wiremark, mpirun, load_result, tmp_path):
    end = run(mpirun, wiremark, 2, "latency", "--path", "pipelined", "--bytes", "4M,5M,64K")
    assert end.rc == 0, end.output
    cells = {cell["bytes"]: cell for cell in load_result(tmp_path / "r.json")["cells"]}
    large = cells[4 << 20]["pipeline"]
    assert large["chunk_bytes"] in (128 << 10, 512 << 10, 2 << 20) and large["slots"] in (4, 16)
    assert cells[5 << 20]["pipeline"] == large
    assert all("chunk=" not in cell["id"] and "slots=" not in cell["id"] for cell in cells.values())
    end = run(mpirun, wiremark, 2, "latency", "--path", "pipelined", "--bytes", "4M", "--chunk", "1M", "--slots", "2")
    cell = load_result(tmp_path / "r.json")["cells"][0]
    assert cell["pipeline"] == {"chunk_bytes": 1 << 20, "slots": 2} and " chunk=1M slots=2" in cell["id"]


@pytest.mark.slow
def test_a_direct_path_that_stages_in_secret_is_suspected(wiremark, mpirun, preload, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", "--mem", "simulated", "--path", "direct,staged", "--bytes", "8",
                 "--sim-device-delay", "20ms", "--cell-time", "3s", "--output", "r.json",
                 env={"LD_PRELOAD": str(preload("stage")), "WM_STAGE_NS": "20000000"})
    assert end.rc == 0, end.output
    assert "suspect that direct is staged in secret" in end.stdout, end.stdout
    assert load_result(tmp_path / "r.json")["comparisons"][0]["suspected_fallback"] is True


def test_what_has_no_detour_is_skipped_with_its_reason(wiremark, mpirun, load_result, tmp_path):
    end = run(mpirun, wiremark, 2, "put-latency", "get-latency", "alltoallv", "--path", "direct,pipelined", "--chunk", "8",
              "--bytes", "64")
    assert end.rc == 3, end.output
    reasons = {(cell["bench"], cell["path"]): cell.get("reason", "") for cell in load_result(tmp_path / "r.json")["cells"]}
    for bench in ("put-latency", "get-latency"):
        assert "nobody there knows when to copy" in reasons[(bench, "pipelined")]
        assert reasons[(bench, "direct")] == ""
    assert "its blocks differ in length" in reasons[("alltoallv", "pipelined")]


@pytest.mark.parametrize("path", ["staged", "pipelined"])
def test_a_flipped_byte_is_found_on_every_detour(wiremark, mpirun, preload, load_result, tmp_path, path):
    end = run(mpirun, wiremark, 2, "latency", "--path", path, "--bytes", "4K",
              env={"LD_PRELOAD": str(preload("flip")), "WM_FLIP_BYTES": "1024"})
    assert end.rc == 1, end.output
    cell = load_result(tmp_path / "r.json")["cells"][0]
    assert cell["status"] == "failed" and "wrong data: 1 of 4096" in cell["reason"], cell
