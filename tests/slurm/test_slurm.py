"""The example of a batch job in a Slurm of one node: its state and exit code are the gate's verdict, its files stay."""
import os
import signal
import subprocess
import time

import pytest

import examples
import launch

SLURM_LAB = launch.ROOT / "scripts/slurm-lab"
JOB = launch.ROOT / "examples/slurm-acceptance.sbatch"
UP_SECONDS = 40
JOB_SECONDS = 60


READY = subprocess.run([SLURM_LAB, "check"], stdout=subprocess.PIPE, text=True)
pytestmark = pytest.mark.skipif(READY.returncode != 0, reason=READY.stdout.strip() or "the lab can be had")


def wait_until(happens, seconds, what):
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


class Slurm:
    def __init__(self, folder):
        self.folder = folder / "slurm"
        up = folder / "up"
        # Nothing of a Slurm that this test itself runs in.
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        self.program = launch.Program([SLURM_LAB, "run", self.folder, "sh", "-c", f"touch {up}; exec sleep 600"], env=self.env)
        try:
            wait_until(lambda: up.exists() or not self.program.running(), UP_SECONDS, self.program.stderr)
            assert up.exists(), self.program.stderr()
        except AssertionError:
            self.down()
            raise

    def down(self):
        """Ends it by a signal, as a user would; returns what is left, which should be nothing."""
        self.program.signal(signal.SIGTERM)
        try:
            self.program.wait(UP_SECONDS)
            return self.program.left()
        finally:
            self.program.end()

    def call(self, *words, **env):
        end = launch.run(words, JOB_SECONDS, env={**self.env, "SLURM_CONF": str(self.folder / "slurm.conf"), **env})
        assert end.rc == 0, end.output
        return end.stdout

    def submit(self, folder, env):
        """The job's number; options of the command line outrank those in the file."""
        output = self.call("sbatch", "--parsable", "--nodes=1", "--ntasks-per-node=2", f"--chdir={folder}",
                           f"--output={folder}/job.log", JOB, **env, WM_SLURM_LAB=str(self.folder))
        return output.strip().split(";")[0]

    def finish(self, job):
        """(state, exit code, signal) once squeue lists it no more."""
        wait_until(lambda: job not in self.call("squeue", "--noheader", "--format=%i").split(), JOB_SECONDS,
                   lambda: self.call("scontrol", "show", "job", job))
        shown = dict(word.split("=", 1) for word in self.call("scontrol", "--oneliner", "show", "job", job).split() if "=" in word)
        return (shown["JobState"], *map(int, shown["ExitCode"].split(":")))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    lab = Slurm(tmp_path_factory.mktemp("lab"))
    yield lab
    left = lab.down()
    assert not left and not lab.folder.exists(), f"{left}\n{lab.program.stderr()}"


@pytest.fixture(scope="module")
def tools(wiremark, tmp_path_factory):
    return examples.tools(tmp_path_factory.mktemp("tools") / "bin", wiremark)


@pytest.fixture(scope="module")
def accept(slurm, tools, tmp_path_factory):
    """accept(baseline, gate) -> (state and exit, the job's output, its folder)"""

    def run(baseline, gate="--tolerance 3%", launches=5):
        folder = tmp_path_factory.mktemp("job")
        env = {"PATH": tools["PATH"], "WM_MPIRUN": tools["WM_MPIRUN"], "WM_BASELINE": str(baseline), "WM_GATE": gate,
               "WM_RUN": examples.SMALL, "WM_RESULTS": str(folder / "results"), "WM_LAUNCHES": str(launches)}
        end = slurm.finish(slurm.submit(folder, env))
        return end, (folder / "job.log").read_text(), folder

    return run


def files(folder):
    return sorted(path.name for path in (folder / "results").iterdir())


LAUNCHED = [*(f"now-{k}.json" for k in range(1, 6)), "now-launches.log"]


@pytest.fixture(scope="module")
def first(accept, tmp_path_factory):
    """The first night: there is no baseline yet."""
    return accept(tmp_path_factory.mktemp("none") / "baseline.json")


@pytest.fixture(scope="module")
def good(first, tools):
    """As the first night's log says."""
    folder = first[2]
    results = [folder / "results" / f"now-{k}.json" for k in range(1, 6)]
    end = launch.run(["wiremark", "bless", *results, "--output", folder / "baseline.json"], JOB_SECONDS, env=tools)
    assert end.rc == 0, end.output
    return folder / "baseline.json"


def test_without_a_baseline_nothing_is_judged(first):
    end, output, folder = first
    assert end == ("FAILED", 3, 0) and "not judged: there is no" in output and "wiremark bless" in output, (end, output)
    assert files(folder) == LAUNCHED


def test_a_job_that_passes(accept, good):
    end, output, folder = accept(good, examples.PASSES)
    assert end == ("COMPLETED", 0, 0) and "PASS: 4 of 4 required cells judged: 4 passed" in output, (end, output)
    assert files(folder) == [*LAUNCHED, "verdict.json", "verdict.txt"]


def test_a_regression_fails_the_job_and_the_drain_line_is_printed_only(accept, good, slurm, tmp_path):
    examples.plant_regression(good, tmp_path / "faster.json")
    end, output, folder = accept(tmp_path / "faster.json")
    assert end == ("FAILED", 1, 0) and "FAIL" in output, (end, output)
    assert f"scontrol update nodename={os.uname().nodename.split('.')[0]} state=drain reason='wiremark job " in output
    assert slurm.call("sinfo", "--noheader", "--format=%t").strip() == "idle"
    assert files(folder) == [*LAUNCHED, "verdict.json", "verdict.txt"]


def test_too_few_launches_are_not_judged(accept, good):
    end, output, _ = accept(good, examples.PASSES, launches=1)
    assert end == ("FAILED", 3, 0) and "not judged" in output, (end, output)


def test_a_cancelled_job_keeps_what_it_has(slurm, tools, tmp_path):
    env = {"PATH": tools["PATH"], "WM_MPIRUN": tools["WM_MPIRUN"], "WM_RUN": "latency --bytes 8 --cell-time 60s --precision 0.1%",
           "WM_RESULTS": str(tmp_path / "results")}
    job = slurm.submit(tmp_path, env)
    journal = tmp_path / "results/now-1.json.journal"
    wait_until(journal.exists, JOB_SECONDS, lambda: slurm.call("squeue"))
    slurm.call("scancel", "--full", job)
    assert slurm.finish(job)[0] == "CANCELLED"
    wait_until(lambda: (tmp_path / "results/now-1.json").exists(), 20, lambda: (tmp_path / "job.log").read_text())


@pytest.mark.parametrize("command, status", [("exit 0", 0), ("exit 5", 5),
                                             ("sbatch -o /dev/null --wrap 'sleep 300' && sleep 1 && exit 4", 4)])
def test_the_lab_is_gone_however_its_command_ends(tmp_path, command, status):
    program = launch.Program([SLURM_LAB, "run", tmp_path / "slurm", "sh", "-c", command])
    try:
        program.wait(60)
        left = program.left()
    finally:
        end = program.finish(0)
    assert (end.rc, left) == (status, []) and not (tmp_path / "slurm").exists(), end.output


def test_a_folder_that_exists_is_refused(tmp_path):
    (tmp_path / "precious").touch()
    end = launch.run([SLURM_LAB, "run", tmp_path, "true"], 30)
    assert end.rc == 1 and "exists" in end.stderr and (tmp_path / "precious").exists()
