"""The lab itself: hosts that a launcher cannot tell from real ones."""
import os
import signal
import subprocess
import time


def namespaces():
    return subprocess.run(["ip", "netns", "list"], stdout=subprocess.PIPE, text=True, check=True).stdout


def test_daemons_start_ranks_on_four_named_hosts(make_lab):
    lab = make_lab(4)
    end = lab.mpirun(8, "hostname")
    assert end.rc == 0, end.output
    assert sorted(end.stdout.split()) == ["h1", "h1", "h2", "h2", "h3", "h3", "h4", "h4"]


def test_a_cut_host_is_out_of_reach_and_the_others_are_not(make_lab):
    lab = make_lab(3)
    serve = 'import socket; s = socket.create_server(("", 7000)); print("up", flush=True); [s.accept() for _ in range(9)]'
    ask = 'import socket, sys; socket.create_connection((sys.argv[1], 7000), timeout=2)'
    for host in ("h2", "h3"):
        program = lab.start("python3", "-c", serve, host=host)
        while "up" not in program.stdout():
            assert program.running(), program.stderr()
    lab.cut("h2")
    assert lab.start("python3", "-c", ask, "h3").finish(30).rc == 0
    cut = lab.start("python3", "-c", ask, "h2").finish(30)
    assert cut.rc == 1 and ("timed out" in cut.stderr or "No route to host" in cut.stderr), cut.output
    assert lab.pids("h2", "python3") != []


def test_a_lab_goes_down_with_what_runs_and_is_stopped_on_it(make_lab):
    lab = make_lab(2)
    program = lab.start("sh", "-c", "kill -STOP $$", host="h2")
    while lab.pids("h2", "sh") == []:
        assert program.running(), program.stderr()
    lab.down()
    assert lab.name not in namespaces()
    assert program.finish(10).rc == -9


def test_the_default_set_over_four_hosts_pairs_across_them(make_lab, wiremark, load_result, tmp_path):
    lab = make_lab(4)
    end = lab.mpirun(8, wiremark, "run", "--max-bytes", "64K", "--cell-time", "50ms", "--output", "r.json",
                     env={"OMPI_MCA_btl": "tcp,vader,self"})
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    assert [rank["host"] for rank in result["world"]["ranks"]] == ["h1", "h1", "h2", "h2", "h3", "h3", "h4", "h4"]
    assert result["coverage"]["measured"] == result["coverage"]["planned"] == len(result["cells"])
    pairs = [cell for cell in result["cells"] if cell["bench"] in ("latency", "bandwidth")]
    assert all((p["from"], p["to"]) == (0, 2) for cell in pairs for p in cell["pairs"])
    assert all(cell["placement"] == "cross-host" and cell["hosts"] == 2 for cell in pairs)
    assert all(cell["placement"] == "mixed" and cell["hosts"] == 4 for cell in result["cells"] if cell not in pairs)
    assert "rank 0 on h1 <-> rank 2 on h2" in end.stdout
    assert {cell["evidence"]["verdict"] for cell in result["cells"]} == {"proven"}
    assert {cell["evidence"]["fabric"] for cell in result["cells"]} == {"tcp"}
    assert {seen["device"] for cell in result["cells"] for seen in cell["evidence"]["counters"]} == {"eth0"}
    assert len(result["topology"]["kinds"]) == 1 and result["topology"]["kinds"][0]["hosts"] == ["h1", "h2", "h3", "h4"]


def test_a_transport_says_by_which_interface_it_leaves(make_lab, wiremark, load_result, tmp_path):
    """A virtual one has no rate of its own: no limit, and no other card's."""
    lab = make_lab(2)
    end = lab.mpirun(2, wiremark, "run", "bandwidth", "--transport", "ofi", "--provider", "tcp", "--bytes", "64K",
                     "--cell-time", "50ms", "--output", "r.json", env={"OMPI_MCA_btl": "tcp,vader,self"})
    assert end.rc == 0, end.output
    (cell,) = load_result(tmp_path / "r.json")["cells"]
    assert {claim["device"] for claim in cell["evidence"]["claims"]} == {"eth0"}
    assert "limit" not in cell


def test_what_stays_on_a_host_is_not_proven(make_lab, wiremark, load_result, tmp_path):
    lab = make_lab(2)
    end = lab.mpirun(4, wiremark, "run", "latency", "--pairs", "0-1,0-2", "--bytes", "64K", "--cell-time", "50ms",
                     "--require-proven", "--output", "r.json", env={"OMPI_MCA_btl": "tcp,vader,self"})
    assert end.rc == 1, end.output
    inside, across = load_result(tmp_path / "r.json")["cells"]
    assert inside["status"] == "failed" and inside["reason"].startswith("the fabric is not proven: no byte has to leave a host")
    assert across["status"] == "measured" and across["evidence"]["verdict"] == "proven"


def wait_for_cells(program, journal, count):
    while not journal.exists() or journal.read_bytes().count(b'{"cell"') < count:
        assert program.running(), program.stdout() + program.stderr()
        time.sleep(0.02)


def nobody_left(lab, seconds):
    """No rank lives on any host any more, within a time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if all(lab.pids(host, "wiremark") == [] for host in lab.hosts):
            return True
        time.sleep(0.2)
    return False


def test_a_host_that_is_cut_off_ends_the_run_on_both_sides(make_lab, wiremark, load_result, tmp_path):
    lab = make_lab(4)
    program = lab.mpirun_start(4, wiremark, "run", "allreduce", "--cell-time", "2s", "--timeout", "4s", "--output", "r.json",
                               env={"OMPI_MCA_btl": "tcp,self"})
    wait_for_cells(program, tmp_path / "r.json.journal", 1)
    lab.cut("h3")
    assert nobody_left(lab, 4 + 5 + 15), program.stderr()
    end = program.finish(30, 5)
    assert "host h3 (rank 2) does not answer" in end.stderr, end.stderr
    result = load_result(tmp_path / "r.json")
    assert result["complete"] is False and result["coverage"]["measured"] >= 1
    assert end.rc == 124 or end.timed_out, end.rc


def test_a_stopped_rank_on_another_host_is_named(make_lab, wiremark, tmp_path):
    lab = make_lab(2)
    program = lab.mpirun_start(4, wiremark, "run", "allreduce", "--cell-time", "2s", "--timeout", "3s", "--output", "r.json",
                               env={"OMPI_MCA_btl": "tcp,vader,self"})
    wait_for_cells(program, tmp_path / "r.json.journal", 1)
    os.kill(max(lab.pids("h2", "wiremark")), signal.SIGSTOP)
    end = program.finish(60, 5)
    assert end.rc == 124 and not end.timed_out, end.output
    assert "on h2 is stopped" in end.stderr and "bench=allreduce" in end.stderr, end.stderr


def test_a_lab_leaves_nothing_behind(make_lab):
    lab = make_lab(2)
    assert lab.name in namespaces()
    lab.down()
    assert lab.name not in namespaces()


def test_two_ranks_of_one_host_that_are_not_there_are_3(make_lab, wiremark):
    end = make_lab(2).mpirun(2, wiremark, "run", "latency", "--pairs", "same-host")
    assert end.rc == 3 and "no host has two ranks" in end.stderr, end.output
