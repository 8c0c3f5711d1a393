"""Bad input: one clear error from one rank, the right status on all, and nothing written."""
import pytest

from conftest import GRACE_SECONDS

REFUSED = {
    "subcommand": (["rnu"], "unknown subcommand 'rnu' (did you mean run?)"),
    "option": (["run", "--byte", "8"], "--byte"),
    "abbreviation": (["run", "--prec", "1%"], "--prec"),
    "benchmark": (["run", "bandwith"], "unknown benchmark 'bandwith' (did you mean bandwidth?)"),
    "transport": (["run", "--transport", "mpl"], "unknown transport 'mpl' (did you mean mpi?)"),
    "dtype": (["run", "--dtype", "flot"], "float"),
    "op": (["run", "allreduce", "--op", "product"], "prod"),
    "algorithm": (["run", "allreduce", "--algo", "rings"], "did you mean ring?"),
    "unit": (["run", "--bytes", "1Q"], "1Q"),
    "negative": (["run", "--bytes", "-1"], "-1"),
    "overflow": (["run", "--bytes", "99999999999999999999G"],
                 '--bytes: "99999999999999999999G" is out of range, want from 0 to 1T'),
    "number overflow": (["run", "--seed", "18446744073709551615"],
                        '--seed: "18446744073709551615" is out of range, want from 0 to 4294967295'),
    "algorithm twice": (["run", "--algo", "all,all"], "--algo: all is named twice"),
    "rank of the fault": (["run", "latency", "--transport", "sim", "--sim-fault", "drop", "--sim-fault-rank", "5"],
                          "--sim-fault-rank 5: there are 2 ranks, 0 to 1"),
    "too large": (["run", "--bytes", "2000G"], "--bytes"),
    "empty list": (["run", "--bytes", ""], "--bytes"),
    "empty element": (["run", "--bytes", "8,,16"], "--bytes"),
    "inverted range": (["run", "--min-bytes", "1M", "--max-bytes", "1K"], "--min-bytes 1M is above --max-bytes 1K"),
    "zero precision": (["run", "--precision", "0"], "--precision"),
    "without effect": (["run", "latency", "--op", "max"], "--op has no effect"),
    "no element": (["run", "allreduce", "--bytes", "3"], "no size to measure"),
    "pair": (["run", "latency", "--pairs", "0-7"], "there is no rank 7"),
    "root": (["run", "broadcast", "--root", "2"], "0 to 1"),
    "output folder": (["run", "--output", "missing/result.json"], "there is no folder missing"),
    "output is a folder": (["run", "--output", "."], ". is a folder"),
    "memory": (["run", "latency", "--bytes", "900G"], "not enough memory on host"),
    "argument of list": (["list", "all"], "'all'"),
    "journal of recover": (["recover"], "recover takes one journal"),
}


@pytest.mark.parametrize("words, part", REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_by_one_rank_and_nothing_is_written(wiremark, mpirun, tmp_path, words, part):
    end = mpirun(2, wiremark, *words)
    said = [line for line in end.stderr.splitlines() if line.startswith("wiremark: ")]
    assert end.rc == 2, end.output
    assert len(said) == 1 and part in said[0], end.output
    assert list(tmp_path.iterdir()) == []


def test_two_ranks_are_needed(wiremark, mpirun, tmp_path):
    end = mpirun(1, wiremark, "run", "latency")
    assert end.rc == 2 and "latency needs 2 ranks and this run has 1" in end.stderr, end.output
    assert list(tmp_path.iterdir()) == []


def test_alone_without_a_launcher_it_says_how_to_start(wiremark, start, tmp_path):
    end = start([wiremark, "run"]).finish(60)
    assert end.rc == 2 and "mpirun -n 2" in end.stderr, end.output


def test_known_but_absent_is_3(wiremark, mpirun, tmp_path):
    end = mpirun(2, wiremark, "recover", "gone.journal")
    assert end.rc == 3 and "there is no journal gone.journal" in end.stderr, end.output


def test_an_existing_output_is_refused_before_measuring_and_kept(wiremark, mpirun, tmp_path):
    (tmp_path / "result.json").write_text("mine")
    end = mpirun(2, wiremark, "run", "--output", "result.json")
    assert end.rc == 2 and "result.json exists" in end.stderr and "--force" in end.stderr, end.output
    assert (tmp_path / "result.json").read_text() == "mine"
    forced = mpirun(2, wiremark, "run", "latency", "--bytes", "8", "--output", "result.json", "--force")
    assert forced.rc == 0 and (tmp_path / "result.json").read_text() != "mine", forced.output


def test_a_left_over_journal_is_refused_and_kept(wiremark, mpirun, tmp_path):
    (tmp_path / "result.json.journal").write_text("cells")
    end = mpirun(2, wiremark, "run", "--output", "result.json", "--force")
    assert end.rc == 2 and "wiremark recover result.json.journal" in end.stderr, end.output
    assert (tmp_path / "result.json.journal").read_text() == "cells"


def test_help_is_printed_once_and_measures_nothing(wiremark, mpirun, tmp_path):
    end = mpirun(2, wiremark, "run", "--help")
    assert end.rc == 0 and end.stdout.count("--cell-time") == 1, end.output
    assert list(tmp_path.iterdir()) == []


def test_version_and_list_name_what_is_there(wiremark, start):
    assert "jansson" in start([wiremark, "--version"]).finish(60).stdout
    listed = start([wiremark, "list"]).finish(60)
    assert listed.rc == 0
    for name in ("allreduce", "rabenseifner", "null", "sim", "mpi", "host"):
        assert name in listed.stdout


def test_plan_shows_cells_memory_and_time_for_a_cluster(wiremark, start):
    end = start([wiremark, "plan", "latency", "alltoall", "--ranks", "16", "--hosts", "2", "--max-bytes", "64K"]).finish(60)
    assert end.rc == 0, end.output
    assert "17" in end.stdout and "4 sizes left out" in end.stdout and "8 ranks" in end.stdout


@pytest.mark.slow
@pytest.mark.parametrize("words, status", [(["run", "bandwith"], 2), (["lits"], 2), (["recover", "gone.journal"], 3),
                                           (["run", "allreduce", "--dtype", "half", "--bytes", "8"], 3),
                                           (["run", "latency", "--transport", "sim", "--sim-fault", "flip", "--sim-fault-rank",
                                             "1", "--bytes", "8"], 1),
                                           (["run", "latency", "--bytes", "8"], 0)])
def test_all_ranks_end_with_the_same_status(wiremark, mpirun, tmp_path, words, status):
    """A shell in between keeps each rank's status from the launcher, which ends all when one fails."""
    script = tmp_path / "keep.sh"
    script.write_text(f'#!/bin/sh\n{wiremark} "$@"\necho $? >"status.${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}}"\n')
    script.chmod(0o755)
    mpirun(3, script, *words, env={GRACE_SECONDS: "1"})
    assert [(tmp_path / f"status.{rank}").read_text().strip() for rank in range(3)] == [str(status)] * 3
