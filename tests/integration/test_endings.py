"""Ends that nobody wanted: wrong data, lost arms, stopped and killed ranks, signals. Each is explained, no cell is lost."""
import os
import re
import signal
import time

import pytest

import launch

LONG = ["latency", "--cell-time", "1s", "--output", "r.json"]


def wait_for_cells(program, journal, count):
    """The ranks, once `count` cells are in the journal."""
    while not journal.exists() or journal.read_bytes().count(b'{"cell"') < count:
        assert program.running(), program.stdout() + program.stderr()
        time.sleep(0.01)
    return program.pids("wiremark")


def rank_of(pid):
    with open(f"/proc/{pid}/environ") as file:
        variables = dict(v.split("=", 1) for v in file.read().split("\0") if "=" in v)
    return int(variables.get("OMPI_COMM_WORLD_RANK", variables.get("PMI_RANK", -1)))


def by_rank(pids):
    return {rank_of(pid): pid for pid in pids}


def test_a_flipped_byte_fails_the_cell_with_its_index(wiremark, mpirun, load_result, tmp_path):
    flip = os.path.join(launch.ROOT, os.environ.get("BUILD", "build"), "tests/preload/flip.so")
    end = mpirun(2, wiremark, "run", "latency", "--bytes", "64,128", "--output", "r.json",
                 env={"LD_PRELOAD": flip, "WM_FLIP_RANK": "1", "WM_FLIP_BYTES": "64"})
    assert end.rc == 1, end.output
    first, second = load_result(tmp_path / "r.json")["cells"]
    assert first["status"] == "failed" and second["status"] == "measured"
    assert "the first at index 32" in first["reason"] and "got" in first["reason"] and "want" in first["reason"]
    assert first["verify"]["wrong_elements"] == 1 and "rank 1" in first["reason"]


def test_a_flip_of_the_last_timed_message_is_found_too(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", "--transport", "sim", "--sim-fault", "flip", "--sim-fault-rank", "1",
                 "--sim-fault-at", "1", "--bytes", "64", "--output", "r.json")
    assert end.rc == 1, end.output
    assert "wrong data" in load_result(tmp_path / "r.json")["cells"][0]["reason"]


def test_a_lost_message_costs_its_arm_and_the_run_goes_on(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", "--transport", "sim,mpi", "--sim-fault", "drop", "--sim-fault-at", "20",
                 "--sim-fault-rank", "0", "--bytes", "8,64,512", "--timeout", "2s", "--output", "r.json")
    assert end.rc == 124, end.output
    states = {(cell["transport"], cell["bytes"]): cell for cell in load_result(tmp_path / "r.json")["cells"]}
    assert states["sim", 8]["status"] == "timeout" and "deadline passed" in states["sim", 8]["reason"]
    assert states["sim", 64]["status"] == states["sim", 512]["status"] == "not_run"
    assert all(states["mpi", size]["status"] == "measured" for size in (8, 64, 512))


@pytest.mark.slow
def test_an_error_of_the_transport_costs_its_arm(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", "--transport", "sim,mpi", "--sim-fault", "error", "--sim-fault-at", "20",
                 "--sim-fault-rank", "0", "--bytes", "8,64", "--timeout", "3s", "--output", "r.json")
    states = {(cell["transport"], cell["bytes"]): cell["status"] for cell in load_result(tmp_path / "r.json")["cells"]}
    assert states["sim", 8] in ("failed", "timeout") and states["sim", 64] == "not_run", end.output
    assert states["mpi", 8] == states["mpi", 64] == "measured"
    assert end.rc in (1, 124)


@pytest.mark.slow
def test_a_collective_that_fails_on_one_rank_is_what_is_told_first(wiremark, mpirun, preload, load_result, tmp_path):
    end = mpirun(3, wiremark, "run", "allreduce", "--bytes", "8,64", "--timeout", "1s", "--output", "r.json",
                 env={"LD_PRELOAD": str(preload("fail")), "WM_FAIL_RANK": "1", "WM_FAIL_AT": "8"})
    assert end.rc == 124, end.output
    told = re.search(r"^wiremark: (rank 1 on \S+ failed: .*\(MPI_Allreduce: .*\); ranks 0, 2 wait for it); "
                     r"(timed out after 1 s in bench=allreduce .*)$", end.stderr, re.MULTILINE)
    assert told is not None, end.stderr
    assert end.stderr.index(told[0]) < end.stderr.index("wiremark:   ranks 0-2 on "), end.stderr
    result = load_result(tmp_path / "r.json")
    assert result["complete"] is False and result["ended_by"].startswith(told[1]), result["ended_by"]
    cell = next(cell for cell in result["cells"] if cell["status"] == "timeout")
    assert cell["reason"] == f"{told[1]}; {told[2]}" and cell["id"] in told[2]


@pytest.mark.slow
def test_a_rank_that_misses_a_message_while_others_are_stuck_is_named(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(3, wiremark, "run", "allreduce", "--transport", "sim", "--sim-fault", "drop", "--sim-fault-rank", "2",
                 "--sim-fault-at", "12", "--bytes", "8", "--timeout", "1s", "--output", "r.json")
    assert end.rc == 124, end.output
    assert re.search(r"^wiremark: rank \d on \S+ gave up: .*; ranks? .* for it; timed out after 1 s in ", end.stderr,
                     re.MULTILINE), end.stderr
    assert " gave up: " in load_result(tmp_path / "r.json")["ended_by"]


def test_a_collective_that_fails_everywhere_costs_its_arm_only(wiremark, mpirun, preload, load_result, tmp_path):
    end = mpirun(3, wiremark, "run", "allreduce", "--transport", "mpi,sim", "--algo", "native,ring", "--bytes", "8",
                 "--output", "r.json", env={"LD_PRELOAD": str(preload("fail")), "WM_FAIL_AT": "8"})
    assert end.rc == 1 and "wait for it" not in end.stderr, end.output
    result = load_result(tmp_path / "r.json")
    cells = {(cell["transport"], cell["algo"]): cell for cell in result["cells"]}
    assert result["complete"] is True and cells["mpi", "native"]["status"] in ("failed", "not_run")
    assert all("MPI_Allreduce" in cell["reason"] for cell in cells.values() if cell["status"] != "measured")
    assert {cell["status"] for cell in cells.values()} >= {"failed"}


@pytest.mark.slow
@pytest.mark.parametrize("fault, ends", [("drop", "timeout"), ("error", "failed")])
def test_an_arm_lost_without_verification_is_recorded(wiremark, mpirun, load_result, tmp_path, fault, ends):
    end = mpirun(2, wiremark, "run", "latency", "--transport", "sim,mpi", "--sim-fault", fault, "--sim-fault-at", "20",
                 "--sim-fault-rank", "0", "--bytes", "8,64", "--timeout", "2s", "--verify", "off", "--output", "r.json")
    assert end.rc == (124 if ends == "timeout" else 1), end.output
    result = load_result(tmp_path / "r.json")
    cells = {(cell["transport"], cell["bytes"]): cell for cell in result["cells"]}
    assert cells["sim", 8]["status"] == ends and "rank 0" in cells["sim", 8]["reason"], cells["sim", 8]["reason"]
    assert cells["sim", 64]["status"] == "not_run" and cells["sim", 64]["reason"] == cells["sim", 8]["reason"]
    assert all(cells["mpi", size]["status"] == "measured" for size in (8, 64))
    assert all("verify" not in cell for cell in cells.values()) and result["complete"] is True


def check_stopped(wiremark, mpirun_start, load_result, tmp_path, victim):
    program = mpirun_start(3, wiremark, "run", "allreduce", "--cell-time", "1s", "--output", "r.json", "--timeout", "3s")
    ranks = by_rank(wait_for_cells(program, tmp_path / "r.json.journal", 1))
    os.kill(ranks[victim], signal.SIGSTOP)
    begin = time.monotonic()
    end = program.finish(40)
    assert not end.timed_out and end.rc == 124, end.output
    assert time.monotonic() - begin < 3 + 10 + 2
    assert f"rank {victim}" in end.stderr and "stopped" in end.stderr, end.stderr
    assert "bench=allreduce" in end.stderr, end.stderr
    return end


@pytest.mark.slow
def test_a_stopped_rank_ends_the_run_with_its_name(wiremark, mpirun_start, load_result, tmp_path):
    check_stopped(wiremark, mpirun_start, load_result, tmp_path, 1)
    result = load_result(tmp_path / "r.json")
    assert result["complete"] is False and result["coverage"]["measured"] >= 1
    assert result["coverage"]["timeout"] == 1 and "rank 1 on" in result["ended_by"]
    assert not (tmp_path / "r.json.journal").exists()


@pytest.mark.slow
def test_rank_0_may_be_the_stopped_one(wiremark, mpirun_start, start, load_result, tmp_path):
    end = check_stopped(wiremark, mpirun_start, load_result, tmp_path, 0)
    assert "journal" in end.stderr, end.stderr
    assert start([wiremark, "recover", "r.json.journal"]).finish(30).rc == 0
    assert load_result(tmp_path / "r.json")["coverage"]["measured"] >= 1


def test_a_killed_rank_is_named_and_no_cell_is_lost(wiremark, mpirun_start, start, load_result, tmp_path):
    program = mpirun_start(3, wiremark, "run", *LONG)
    ranks = by_rank(wait_for_cells(program, tmp_path / "r.json.journal", 2))
    os.kill(ranks[2], signal.SIGKILL)
    end = program.finish(40)
    assert not end.timed_out and end.rc != 0, end.output
    if not (tmp_path / "r.json").exists():  # a launcher that gives no time for last words: the journal is complete
        assert start([wiremark, "recover", "r.json.journal"]).finish(30).rc == 0
    else:
        assert "rank 2" in end.stderr and "gone" in end.stderr, end.stderr
    result = load_result(tmp_path / "r.json")
    assert result["complete"] is False and result["coverage"]["measured"] >= 2


def check_signal(wiremark, mpirun_start, load_result, tmp_path, number, name):
    program = mpirun_start(2, wiremark, "run", *LONG)
    wait_for_cells(program, tmp_path / "r.json.journal", 2)
    program.signal(number)
    end = program.finish(30)
    assert not end.timed_out and end.rc != 0, end.output
    result = load_result(tmp_path / "r.json")
    assert result["complete"] is False and name in result["ended_by"], result["ended_by"]
    assert result["coverage"]["measured"] >= 2 and result["coverage"]["not_run"] > 0
    assert not (tmp_path / "r.json.journal").exists()


ARMS = ["latency", "bandwidth", "--buffers", "hot,distinct", "--bytes", "8,64,512,4K,32K", "--cell-time", "200ms",
        "--min-samples", "100000000", "--output", "r.json"]


def check_points(result, sweeps):
    """Each comparison, also that of the sweep under way, has the sizes of which both arms were measured."""
    assert [c["bench"] for c in result["comparisons"]] == ["latency", "bandwidth"][:sweeps]
    for comparison in result["comparisons"]:
        sizes = [cell["bytes"] for cell in result["cells"]
                 if cell["bench"] == comparison["bench"] and cell["status"] == "measured"]
        both = sorted({size for size in sizes if sizes.count(size) == 2})
        assert [point["bytes"] for point in comparison["points"][0]] == both != []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_an_end_in_a_sweep_keeps_the_points_of_its_complete_sizes(wiremark, mpirun_start, start, load_result, tmp_path,
                                                                  number):
    program, journal = mpirun_start(2, wiremark, "run", *ARMS), tmp_path / "r.json.journal"
    while not journal.exists() or journal.read_bytes().count(b'{"comparison_so_far"') < 6:
        assert program.running(), program.stderr()
        time.sleep(0.01)
    for pid in program.pids("wiremark") if number == signal.SIGKILL else []:
        os.kill(pid, number)
    program.signal(number)
    program.finish(30)
    if number == signal.SIGKILL:
        assert start([wiremark, "recover", "r.json.journal"]).finish(30).rc == 0
    result = load_result(tmp_path / "r.json")
    assert result["complete"] is False and result["coverage"]["not_run"] > 0
    check_points(result, 2)


def test_total_time_in_a_sweep_keeps_the_points_of_its_complete_sizes(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", *ARMS, "--total-time", "600ms")
    result = load_result(tmp_path / "r.json")
    assert end.rc == 3 and result["coverage"]["measured"] in (2, 4), end.output
    check_points(result, 1)


def test_sigterm_leaves_a_valid_partial_result(wiremark, mpirun_start, load_result, tmp_path):
    check_signal(wiremark, mpirun_start, load_result, tmp_path, signal.SIGTERM, "SIG")


@pytest.mark.slow
def test_sigint_leaves_a_valid_partial_result(wiremark, mpirun_start, load_result, tmp_path):
    check_signal(wiremark, mpirun_start, load_result, tmp_path, signal.SIGINT, "SIG")


@pytest.mark.slow
def test_ranks_without_a_part_may_wait_longer_than_the_deadline(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(4, wiremark, "run", "latency", "--pairs", "2-3", "--bytes", "8", "--min-samples", "100000000",
                 "--cell-time", "3s", "--timeout", "1s", "--output", "r.json")
    assert end.rc == 0, end.output
    assert load_result(tmp_path / "r.json")["coverage"]["measured"] == 1


@pytest.mark.slow
def test_a_stopped_rank_without_a_part_is_named_when_it_is_missed(wiremark, mpirun_start, tmp_path):
    program = mpirun_start(4, wiremark, "run", "latency", "--pairs", "0-1", "--cell-time", "1s", "--timeout", "2s",
                           "--output", "r.json")
    ranks = by_rank(wait_for_cells(program, tmp_path / "r.json.journal", 1))
    os.kill(ranks[3], signal.SIGSTOP)
    end = program.finish(40)
    assert not end.timed_out and end.rc == 124 and "rank 3 on" in end.stderr and "stopped" in end.stderr, end.output


@pytest.mark.slow
def test_a_rank_that_never_reaches_mpi_init_is_named(wiremark, mpirun, tmp_path):
    script = tmp_path / "late.sh"
    script.write_text('#!/bin/sh\nrank=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}\n'
                      f'[ "$rank" = 1 ] && exec sleep 60\nexec {wiremark} run latency --open-timeout 2s\n')
    script.chmod(0o755)
    begin = time.monotonic()
    end = mpirun(2, script)
    assert end.rc == 124, end.output
    assert time.monotonic() - begin < 2 + 10 + 3
    assert "rank 1" in end.stderr, end.stderr


def test_two_mpis_mixed_are_refused(wiremark, start):
    end = start([wiremark, "run", "latency"], {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0",
                                               "PMI_SIZE": "4", "PMI_RANK": "0"}).finish(60)
    assert end.rc == 2 and "another MPI" in end.stderr, end.output
