"""--algo auto: what it chooses, that it verifies what it chose, what it keeps of the choice, and what a candidate costs."""
import json
import os

import pytest

GROUPS = ["allreduce", "alltoall", "alltoallv", "broadcast", "allgather", "reduce-scatter", "reduce", "gather", "scatter",
          "barrier"]


def candidates(wiremark, start):
    text = start([wiremark, "list"]).finish(30).stdout
    return {bench: text.split(f"\n  {bench} ", 1)[1].split("algorithms:", 1)[1].split("\n", 1)[0].split()
            for bench in GROUPS}


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_every_collective_is_measured_and_verified_with_one_of_its_algorithms(wiremark, mpirun, start, load_result,
                                                                              tmp_path, ranks):
    end = mpirun(ranks, wiremark, "run", *GROUPS, "--algo", "auto", "--bytes", "8,4K", "--cell-time", "10ms", "--output",
                 "r.json")
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    assert result["coverage"]["measured"] == result["coverage"]["planned"]
    assert {cell["bench"] for cell in result["cells"]} == set(GROUPS)
    known = candidates(wiremark, start)
    for cell in result["cells"]:
        assert cell["algo"] == "auto" and " algo=auto " in cell["id"]
        assert cell["algo_chosen"] in known[cell["bench"]], cell["id"]
        if cell["bench"] != "barrier":
            assert cell["verify"]["checked_bytes"] >= cell["bytes"] and cell["verify"]["wrong_elements"] == 0, cell["id"]
    assert [choice["bench"] for choice in result["choices"]] == GROUPS
    for choice in result["choices"]:
        chosen = {cell["bytes"]: cell["algo_chosen"] for cell in result["cells"] if cell["bench"] == choice["bench"]}
        assert {point["bytes"]: point["algo"] for point in choice["points"]} == chosen
        assert choice["crossovers"][0]["algo"] == choice["points"][0]["algo"]
    assert end.stdout.count("auto: ") == len(GROUPS), end.stdout


@pytest.mark.slow
def test_a_known_crossover_is_found(wiremark, mpirun, load_result, tmp_path):
    """4 ranks, a delay d, a wire of r bytes a second, x = b/(d r). Recursive doubling takes 2 + 2 x delays; the library's
    own, made to start 3 delays late, 4 + x; Rabenseifner's 4 + 1.5 x and the ring 6 + 1.5 x. The first two cross at x = 2.
    Below x = 1/2 and at x = 6 the best takes a quarter to a third less time than the next, 30 ms at least: time passes here,
    so a busy machine could disturb that, but would have to do so in a good part of all turns."""
    kib, delay_ms, rate = 1024, 20, 16 << 20
    x = delay_ms * 1e-3 * rate
    small, large = [80 * kib, 160 * kib], [1980 * kib]
    assert small[0] < small[1] <= x / 2 and 6 * x <= large[0]
    end = mpirun(4, wiremark, "run", "allreduce", "--transport", "sim", "--sim-delay", f"{delay_ms}ms", "--sim-rate", rate,
                 "--sim-native-delay", f"{3 * delay_ms}ms", "--algo", "auto", "--bytes", ",".join(map(str, small + large)),
                 "--cell-time", "20ms", "--output", "r.json")
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    chosen = [cell["algo_chosen"] for cell in result["cells"]]
    assert chosen == ["recursive-doubling"] * len(small) + ["native"] * len(large), (end.output, result["choices"])
    choice, = result["choices"]
    assert [(c["from_bytes"], c["algo"]) for c in choice["crossovers"]] == [(small[0], "recursive-doubling"),
                                                                           (large[0], "native")]
    assert "auto: recursive-doubling up to 160K, native from 1980K" in end.stdout
    assert all(cell["verify"]["wrong_elements"] == 0 for cell in result["cells"])


@pytest.mark.slow
def test_a_slow_candidate_is_not_chosen_though_it_is_the_first(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "broadcast", "allgather", "--transport", "sim", "--sim-native-delay", "10ms",
                 "--algo", "auto", "--bytes", "8,64", "--cell-time", "10ms", "--output", "r.json")
    assert end.rc == 0, end.output
    cells = load_result(tmp_path / "r.json")["cells"]
    assert len(cells) == 4 and all(cell["algo_chosen"] != "native" for cell in cells), end.output


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_over_libfabric_the_crossovers_are_measured_and_printed(wiremark, mpirun, start, load_result, tmp_path, ranks):
    """Which ones is the machine's affair; each that is printed stands in the result, and every cell ran what was chosen."""
    if "not built in" in start([wiremark, "list"]).finish(30).stdout.split("\n  ofi ")[1].splitlines()[0]:
        pytest.skip("libfabric is not built in")
    end = mpirun(ranks, wiremark, "run", "allreduce", "alltoall", "broadcast", "--transport", "ofi", "--provider", "tcp", "--algo",
                 "auto", "--bytes", "8,4K,256K", "--cell-time", "30ms", "--output", "r.json")
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    assert [choice["bench"] for choice in result["choices"]] == ["allreduce", "alltoall", "broadcast"]
    printed = [line for line in end.stdout.splitlines() if line.startswith("auto: ")]
    assert len(printed) == 3, end.stdout
    for choice, line in zip(result["choices"], printed):
        chosen = {cell["bytes"]: cell["algo_chosen"] for cell in result["cells"] if cell["bench"] == choice["bench"]}
        assert {point["bytes"]: point["algo"] for point in choice["points"]} == chosen and len(chosen) == 3
        assert choice["transport"] == "ofi" and choice["left_out"][0]["algo"] == "native"
        for crossover in choice["crossovers"]:
            assert crossover["algo"] in line, (line, choice["crossovers"])
            assert crossover["ratio"] > 0 and crossover["runner_up"] != crossover["algo"]
    assert all(cell["verify"]["wrong_elements"] == 0 for cell in result["cells"])


def test_auto_is_an_arm_beside_others(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "allreduce", "latency", "--algo", "native,auto", "--bytes", "8", "--cell-time",
                 "10ms", "--output", "r.json")
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    comparison, = result["comparisons"]
    assert comparison["arms"] == ["algo=native", "algo=auto"]
    native, auto, latency = result["cells"]
    assert "algo_chosen" not in native and "algo_chosen" in auto
    assert latency["algo"] == "ping-pong" and "algo_chosen" not in latency
    assert "algo=auto: " in end.stdout and len(result["choices"]) == 1


@pytest.mark.slow
def test_a_candidate_that_cannot_is_left_out_with_its_reason(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "reduce-scatter", "--transport", "ofi,mpi", "--provider", "tcp", "--algo", "auto",
                 "--bytes", "64,128", "--cell-time", "10ms", "--output", "r.json")
    if end.rc == 2 and "--provider" in end.stderr:
        pytest.skip("libfabric is not built in")
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    of = {choice["transport"]: choice for choice in result["choices"]}
    left, = of["ofi"]["left_out"]
    assert left["algo"] == "native" and left["from_bytes"] == 64 and "ofi" in left["reason"], left
    assert of["mpi"]["left_out"] == []
    assert all(cell["algo_chosen"] != "native" for cell in result["cells"] if cell["transport"] == "ofi")
    assert f"native left out: {left['reason']}" in end.stdout, end.stdout


@pytest.mark.slow
def test_a_candidate_that_breaks_the_transport_is_named_and_costs_its_cells_alone(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "allreduce", "--transport", "sim,mpi", "--sync", "none", "--sim-fault", "drop",
                 "--timeout", "1s", "--algo", "auto", "--bytes", "1K,2K", "--cell-time", "10ms", "--output", "r.json")
    assert end.rc == 124, end.output
    result = load_result(tmp_path / "r.json")
    assert result["complete"] is True
    first, _, second, _ = result["cells"]
    assert first["status"] == "timeout" and second["status"] == "not_run"
    for cell in (first, second):
        assert cell["transport"] == "sim" and "algo_chosen" not in cell
        assert cell["reason"].startswith("ring, tried before the cell: rank 1: the deadline passed while"), cell["reason"]
    assert [cell["status"] for cell in result["cells"] if cell["transport"] == "mpi"] == ["measured"] * 2
    assert [choice["transport"] for choice in result["choices"]] == ["mpi"]


@pytest.mark.slow
def test_the_watch_names_the_candidate_that_is_stuck(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "allreduce", "--transport", "sim", "--sim-fault", "drop", "--timeout", "1s", "--algo",
                 "auto", "--bytes", "1K", "--output", "r.json")
    assert end.rc == 124 and ", where native was tried (warm-up)" in end.stderr, end.output
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert cell["status"] == "timeout" and "where native was tried" in cell["reason"]


@pytest.mark.slow
def test_recover_keeps_what_was_chosen(wiremark, mpirun_start, start, load_result, tmp_path):
    program = mpirun_start(2, wiremark, "run", "allreduce", "--algo", "auto", "--cell-time", "300ms", "--output", "r.json")
    journal = tmp_path / "r.json.journal"
    while not journal.exists() or journal.read_bytes().count(b'{"choice"') < 2:
        assert program.running(), program.stderr()
    for pid in program.pids("mpirun") + program.pids("wiremark"):
        os.kill(pid, 9)
    program.finish(30)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    last = [line["choice"] for line in lines if "choice" in line][-1]
    end = start([wiremark, "recover", "r.json.journal"]).finish(30)
    assert end.rc == 0, end.output
    assert load_result(tmp_path / "r.json")["choices"] == [last] and len(last["points"]) >= 2


@pytest.mark.parametrize("options", [["--in-place"], ["--sync", "none"], ["--root", "rotate"],
                                     pytest.param(["--buffers", "cold"], marks=pytest.mark.slow)],
                         ids=lambda options: options[0].strip("-"))
def test_auto_runs_in_place_back_to_back_with_a_rotating_root_and_cold(wiremark, mpirun, load_result, tmp_path, options):
    end = mpirun(2, wiremark, "run", "allreduce", "broadcast", "gather", "--algo", "auto", "--bytes", "1,64,1K",
                 "--cell-time", "5ms", *options, "--output", "r.json")
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    assert len(result["cells"]) == 2 + 3 + 2 and all("algo_chosen" in cell for cell in result["cells"])
    for cell in result["cells"]:
        assert cell["status"] == "measured" and cell["verify"]["wrong_elements"] == 0, cell["id"]


def test_the_plan_shows_the_candidates_and_counts_their_time_and_memory(wiremark, start):
    def plan(*words):
        return start([wiremark, "plan", "allreduce", "--ranks", "4", "--bytes", "1M", *words]).finish(30).stdout

    auto, every, native = plan("--algo", "auto"), plan("--algo", "all"), plan()
    assert "auto  (tries native, ring, recursive-doubling and rabenseifner before each cell)" in auto
    assert "at most about 280 ms" in auto and "at most about 200 ms" in native

    def buffers(text):
        return [line for line in text.splitlines() if line.startswith("buffers: ")]

    assert buffers(auto) == buffers(every) != buffers(native)


def test_csv_and_json_carry_what_was_chosen(wiremark, mpirun, tmp_path):
    line = ["run", "barrier", "--algo", "auto", "--cell-time", "5ms", "--force"]
    end = mpirun(2, wiremark, *line, "--format", "csv")
    header, row = end.stdout.splitlines()[:2]
    cell = dict(zip(header.split(","), row.split(",")))
    assert cell["algo"] == "auto" and cell["algo_chosen"] in ("native", "dissemination"), end.output
    end = mpirun(2, wiremark, *line, "--format", "json")
    assert json.loads(end.stdout)["algo_chosen"] in ("native", "dissemination"), end.output
