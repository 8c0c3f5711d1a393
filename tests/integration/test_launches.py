"""wiremark-launches: one file a launch, nothing merged away, the worst status; with a stand-in for wiremark, and with it."""
import os
import signal
import time

import pytest

import launch

pytestmark = pytest.mark.slow  # many small launches of the program: too long for the short test

LAUNCHES = launch.ROOT / "scripts/wiremark-launches"

# Stands for wiremark: writes its --output, appends it to `order`, and ends with the status that the file status-NAME holds.
STAND_IN = """#!/bin/sh
while [ $# -gt 1 ]; do
    shift
    [ "$1" != --output ] || file=$2
done
echo "$file" >>order
[ ! -e silent ] || exit 0
echo '{}' >"$file"
trap 'echo interrupted >>order; kill $!; exit 1' TERM INT HUP
if [ -e hang ]; then sleep 60 & wait; fi
status=status-${file%.json}
[ ! -e "$status" ] || exit "$(cat "$status")"
"""


@pytest.fixture
def stand_in(tmp_path):
    path = tmp_path / "wiremark"
    path.write_text(STAND_IN)
    path.chmod(0o755)
    return path


@pytest.fixture
def launches(start):
    def run(*words, timeout=60):
        end = start([LAUNCHES, *words]).finish(timeout)
        assert not end.timed_out, end.output
        return end

    return run


def results(folder):
    return sorted(path.name for path in folder.glob("*.json"))


def order(folder):
    return (folder / "order").read_text().split()


@pytest.mark.parametrize("output, files", [
    ([], ["wiremark-result-1.json", "wiremark-result-2.json"]),
    (["--output", "now.json"], ["now-1.json", "now-2.json"]),
    (["--output=now"], ["now-1.json", "now-2.json"]),
])
def test_each_launch_has_a_file_of_its_own(launches, stand_in, tmp_path, output, files):
    end = launches(2, "--", stand_in, "run", "latency", *output)
    assert end.rc == 0, end.output
    assert results(tmp_path) == files and order(tmp_path) == files
    assert "2 launches: 2 measured" in end.stderr


def test_an_output_of_the_launcher_is_left_alone(launches, stand_in, tmp_path):
    end = launches(1, "--", "env", "--split-string", f"A=1 {stand_in}", "--output", "tag", stand_in, "run")
    assert "--output tag" in end.stderr and "run --output wiremark-result-1.json" in end.stderr


def test_commands_take_turns_in_an_order_that_the_seed_gives_and_the_log_keeps(launches, stand_in, tmp_path):
    def once(seed):
        for path in [*tmp_path.glob("*.json"), *tmp_path.glob("*.log"), tmp_path / "order"]:
            path.unlink(missing_ok=True)
        end = launches("--seed", seed, 8, "--", stand_in, "run", "--output", "old.json", "--vs", stand_in, "run", "--bytes", "8")
        assert end.rc == 0, end.output
        lines = [line.split("\t") for line in (tmp_path / "old-launches.log").read_text().splitlines() if line[0] != "#"]
        assert [line[0] for line in lines] == order(tmp_path)
        assert all(line[1] == "0" and f"--output {line[0]}" in line[4] for line in lines)
        return order(tmp_path)

    first, other = once(1), once(2)
    assert first == once(1) != other
    for number in range(1, 9):
        assert {f"old-{number}.json", f"wiremark-result-b-{number}.json"} == set(first[2 * number - 2:2 * number])


@pytest.mark.parametrize("statuses, worst", [((3, 1, 0), 1), ((0, 3, 0), 3), ((1, 124, 3), 124), ((1, 137, 3), 137),
                                             ((137, 124, 0), 124)])
def test_the_status_is_the_worst_and_no_file_is_lost(launches, stand_in, tmp_path, statuses, worst):
    for number, status in enumerate(statuses, 1):
        (tmp_path / f"status-now-{number}").write_text(str(status))
    end = launches(3, "--", stand_in, "run", "--output", "now.json")
    assert end.rc == worst and results(tmp_path) == ["now-1.json", "now-2.json", "now-3.json"], end.output
    for number, status in enumerate(statuses, 1):
        assert (f"now-{number}.json: status {status}, its file is kept" in end.stderr) == (status != 0)


def test_a_wrong_command_line_starts_no_more(launches, stand_in, tmp_path):
    (tmp_path / "status-now-1").write_text("2")
    end = launches(3, "--", stand_in, "run", "--output", "now.json")
    assert end.rc == 2 and order(tmp_path) == ["now-1.json"]
    assert "1 status 2, 2 not started" in end.stderr
    assert (tmp_path / "now-launches.log").read_text().endswith("now-2.json\tnot started\nnow-3.json\tnot started\n")


def test_a_launch_without_a_file_is_not_measured(launches, stand_in, tmp_path):
    (tmp_path / "silent").touch()
    end = launches(1, "--", stand_in, "run")
    assert end.rc == 3 and "was not written" in end.stderr and "it left no file" in end.stderr


def test_a_program_that_is_not_there(launches):
    end = launches(2, "--", "no-such-mpirun", "wiremark", "run")
    assert end.rc == 127 and "no-such-mpirun: No such file" in end.stderr and "1 not started" in end.stderr


@pytest.mark.parametrize("there", ["now-2.json", "now-1.json.journal", "now-launches.log"])
def test_nothing_is_overwritten(launches, stand_in, tmp_path, there):
    (tmp_path / there).write_text("precious")
    end = launches(2, "--", stand_in, "run", "--output", "now.json")
    assert end.rc == 2 and f"{there} exists" in end.stderr, end.output
    assert not (tmp_path / "order").exists() and (tmp_path / there).read_text() == "precious"


@pytest.mark.parametrize("words, said", [
    ([], "a command is missing"),
    (["5"], "a command is missing"),
    (["5", "--"], "a command is missing"),
    (["5", "--", "wiremark", "run", "--vs"], "a command is missing"),
    (["--", "wiremark", "run"], "one number of launches"),
    (["0", "--", "wiremark", "run"], "is 0"),
    (["-3", "--", "wiremark", "run"], 'no option "-3"'),
    (["x", "--", "wiremark", "run"], 'is "x"'),
    (["5", "--seed", "--", "wiremark", "run"], '--seed is ""'),
    (["5", "--", "mpirun", "hostname"], 'no "wiremark run"'),
    (["5", "--", "wiremark", "run", "--output"], "lacks its file"),
    (["5", "--", "wiremark", "run", "--output", "a", "--vs", "wiremark", "run", "--output=a.json"], "two commands"),
])
def test_a_wrong_command_line_of_its_own(launches, words, said):
    end = launches(*words)
    assert end.rc == 2 and said in end.stderr and len(end.stderr.splitlines()) == 1, end.output


def test_help(launches):
    end = launches("--help")
    assert end.rc == 0 and end.stdout.startswith("Measures in N launches") and "--seed" in end.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on_and_ends_the_whole(start, stand_in, tmp_path, number):
    (tmp_path / "hang").touch()
    program = start([LAUNCHES, 3, "--", stand_in, "run", "--output", "now.json"])
    deadline = time.monotonic() + 30
    while not program.pids("sleep"):
        assert time.monotonic() < deadline, program.stderr()
        time.sleep(0.02)
    program.signal(number)
    program.wait(30)
    assert not program.left()
    end = program.finish(0)
    assert end.rc == 128 + number and "1 status 1, 2 not started" in end.stderr, end.output
    assert order(tmp_path) == ["now-1.json", "interrupted"] and results(tmp_path) == ["now-1.json"]


def test_launches_of_wiremark_itself(launches, wiremark, load_result, start, tmp_path):
    run = [launch.ROOT / "scripts/mpirun-local", 2, wiremark, "run", "latency", "--bytes", "8", "--cell-time", "5ms"]
    end = launches(2, "--", *run, "--output", "a.json", "--vs", *run, "--transport", "null", "--output", "b.json")
    assert end.rc == 0, end.output
    assert results(tmp_path) == ["a-1.json", "a-2.json", "b-1.json", "b-2.json"]
    runs = {load_result(tmp_path / name)["run"]["id"] for name in results(tmp_path)}
    assert len(runs) == 4
    end = start([wiremark, "compare", "a-1.json", "a-2.json", "--to", "b-1.json", "b-2.json"]).finish(60)
    assert end.rc == 0, end.output
