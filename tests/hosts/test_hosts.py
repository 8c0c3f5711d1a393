"""The lab itself: hosts that a launcher cannot tell from real ones."""
import subprocess


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
