"""The examples: their syntax, and their commands run on this machine with small sizes, to a pass and to a regression."""
import os
import re
import runpy
import subprocess
import sys
import types

import pytest

import examples
import launch

yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")

FOLDER = launch.ROOT / "examples"
RUN_SECONDS = 120


def load(name):
    with open(FOLDER / name) as file:
        return yaml.safe_load(file)


@pytest.fixture(scope="module")
def lab(wiremark, tmp_path_factory):
    """The environment, and a baseline of this machine with one that it cannot meet."""
    folder = tmp_path_factory.mktemp("examples")
    env = examples.tools(folder / "bin", wiremark)
    command = ["wiremark-launches", "5", "--", "mpirun", "wiremark", "run", *examples.SMALL.split(), "--output", "good.json"]
    for words in (command, ["wiremark", "bless", *(f"good-{k}.json" for k in range(1, 6)), "-o", "good.json"]):
        end = launch.run(words, RUN_SECONDS, cwd=folder, env=env)
        assert end.rc == 0, end.output
    examples.plant_regression(folder / "good.json", folder / "bad.json")
    return env, folder


# ---- syntax

def test_every_example_is_known_and_parses():
    names = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in str(path))
    assert names == ["github-actions.yml", "gitlab-ci.yml", "mpijob.yaml", "read_result.py", "reframe/wiremark_test.py",
                     "slurm-acceptance.sbatch", "two-hosts.sh"]
    for name in names:
        if name.endswith(".py"):
            compile((FOLDER / name).read_text(), name, "exec")
        elif name.endswith((".sh", ".sbatch")):
            subprocess.run(["bash", "-n", FOLDER / name], check=True)
        else:
            assert isinstance(load(name), dict)


def test_the_kubernetes_job_neither_retries_nor_starts_early_nor_hangs():
    job = load("mpijob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v2beta1", "MPIJob")
    spec = job["spec"]
    assert spec["launcherCreationPolicy"] == "WaitForWorkersReady"
    assert spec["runPolicy"]["backoffLimit"] == 0 and spec["runPolicy"]["activeDeadlineSeconds"] > 0
    assert spec["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["restartPolicy"] == "Never"
    ranks = spec["slotsPerWorker"] * spec["mpiReplicaSpecs"]["Worker"]["replicas"]
    env = {row["name"]: row["value"] for row in launcher_of(job)["env"]}
    assert f"-n {ranks} " in env["LAUNCH"]


# ---- the commands, as each system runs them

def launcher_of(job):
    return job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]


def github(folder, env):
    """As GitHub does: each run block a bash of its own; a step whose condition ignores failures runs all the same."""
    job = load("github-actions.yml")["jobs"]["wiremark"]
    status, output = 0, ""
    (folder / "summary.md").write_text("An earlier command's.\n")
    for step in job["steps"]:
        if "run" in step and (status == 0 or "if" in step):
            end = launch.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], RUN_SECONDS, cwd=folder,
                             env={**job["env"], **env, "GITHUB_STEP_SUMMARY": str(folder / "summary.md")})
            status, output = status or end.rc, output + end.output
    lines = output.splitlines()
    assert sum(line.startswith(("::notice title=", "::error title=")) for line in lines) >= 1, output
    summary = (folder / "summary.md").read_text()
    assert summary.startswith("An earlier command's.\n") and summary.count("\n") > 2
    return status, output


def gitlab(folder, env):
    """As GitLab's shell executor does: the lines one after the other in one bash that stops at an error."""
    job = load("gitlab-ci.yml")["wiremark"]
    end = launch.run(["bash", "-eo", "pipefail", "-c", "\n".join(job["script"])], RUN_SECONDS, cwd=folder,
                     env={**job["variables"], **env})
    reports = job["artifacts"]["reports"]
    subprocess.run(["xmllint", "--noout", "--nonet", "--schema", launch.ROOT / "tests/junit.xsd", folder / reports["junit"]], check=True)
    assert (folder / reports["metrics"]).read_text().endswith("# EOF\n")
    return end.rc, end.output


def kubernetes(folder, env):
    container = launcher_of(load("mpijob.yaml"))
    own = {row["name"]: row["value"] for row in container["env"]}
    paths = {"BASELINE": str(folder / "baseline.json"), "RESULTS": str(folder / "results")}
    end = launch.run([*container["command"], *container["args"]], RUN_SECONDS, cwd=folder,
                     env={**os.environ, **own, **env, **paths})
    return end.rc, end.output


def batch(folder, env):
    """As sbatch would start it, once it has a node."""
    own = {"SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "node[1-2]", "WM_RUN": env["RUN"],
           "WM_GATE": env["GATE"], "WM_RESULTS": str(folder / "results")}
    end = launch.run(["bash", FOLDER / "slurm-acceptance.sbatch"], RUN_SECONDS, cwd=folder, env={**env, **own})
    return end.rc, end.output


SYSTEMS = {"github": github, "gitlab": gitlab, "kubernetes": kubernetes, "slurm": batch}


def run(system, lab, folder, baseline, gate=examples.PASSES):
    env, made = lab
    (folder / "baseline.json").symlink_to(made / baseline)
    status, output = SYSTEMS[system](folder, {**env, "RUN": examples.SMALL, "GATE": gate})
    files = sorted(path.name for path in (folder / "results").glob("now*"))
    assert files == [*(f"now-{k}.json" for k in range(1, 6)), "now-launches.log"], output
    return status, output


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("baseline, gate, status, words", [
    ("good.json", examples.PASSES, 0, ["PASS", "4 of 4 required cells judged: 4 passed"]),
    ("bad.json", "--tolerance 3%", 1, ["FAIL", "slower, which launches do by chance"]),
])
def test_the_commands_run_and_their_status_is_the_verdicts(system, lab, tmp_path, baseline, gate, status, words):
    end, output = run(system, lab, tmp_path, baseline, gate)
    assert end == status, output
    assert all(word in output for word in words), output


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_failed_launch_is_judged_and_never_passes(system, lab, tmp_path, wiremark):
    env, made = lab
    fails = tmp_path / "bin"
    fails.mkdir()
    # Ends with 3 after it has measured all.
    (fails / "mpirun").write_text(f"#!/bin/sh\n{made}/bin/mpirun \"$@\"\nexit 3\n")
    (fails / "mpirun").chmod(0o755)
    end, output = run(system, ({**env, "PATH": f"{fails}:{env['PATH']}"}, made), tmp_path, "good.json")
    assert end == 3 and "5 status 3" in output, output


# ---- ReFrame, by what stands for its modules

class Launcher:
    def run_command(self, job):
        return "mpirun -np 16"


def extractsingle(stage):
    def take(pattern, path, group, convert):
        found = re.search(pattern, (stage / path).read_text(), re.M)
        if found is None:
            raise ValueError(f"no line is {pattern}")  # a SanityError there
        return convert(found[group])

    return take


def reframe_test(monkeypatch, stage):
    """The example's class, instantiated as far as ReFrame would before its job runs."""
    plain = types.SimpleNamespace
    modules = {name: types.ModuleType(name) for name in
               ("reframe", "reframe.utility", "reframe.utility.sanity", "reframe.core", "reframe.core.backends")}
    modules["reframe"].simple_test = lambda cls: cls
    modules["reframe"].RunOnlyRegressionTest = object
    modules["reframe"].utility = modules["reframe.utility"]
    modules["reframe.utility"].sanity = modules["reframe.utility.sanity"]
    modules["reframe.utility.sanity"].assert_found = lambda pattern, path: bool(re.search(pattern, (stage / path).read_text(), re.M))
    modules["reframe.utility.sanity"].extractsingle = extractsingle(stage)
    modules["reframe.core.backends"].getlauncher = lambda name: lambda: name
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    # What ReFrame puts into the namespace of a test's class.
    names = {name: lambda *words: lambda method: method for name in ("run_before", "performance_function")}
    space = runpy.run_path(str(FOLDER / "reframe/wiremark_test.py"), {**names, "sanity_function": lambda method: method})
    test = space["WiremarkTest"]()
    test.job, test.stagedir, test.stdout = plain(launcher=Launcher()), str(stage), "rfm_job.out"
    test.current_partition = plain(fullname="here:gpu")
    return test


@pytest.mark.slow
@pytest.mark.parametrize("baseline, passes", [("good.json", True), ("bad.json", False)])
def test_the_reframe_test_reads_what_the_gate_prints(monkeypatch, lab, tmp_path, baseline, passes):
    env, made = lab
    test = reframe_test(monkeypatch, tmp_path)
    test.what, test.baselines, test.gate = examples.SMALL, str(tmp_path), examples.PASSES if passes else ""
    (tmp_path / "here-gpu.json").symlink_to(made / baseline)
    test.launch_often()
    assert test.job.launcher == "local"
    script = "\n".join([" ".join([test.executable, *test.executable_opts]), *test.postrun_cmds])
    end = launch.run(["bash", "-c", script.replace("-np 16", "-n 16")], RUN_SECONDS, cwd=tmp_path, env=env)
    (tmp_path / test.stdout).write_text(end.stdout)

    assert test.gate_passed() == passes, end.output
    assert 0 < test.latency_8() < 1e6 and 0 < test.allreduce_8() < 1e6
    with pytest.raises(ValueError, match="bench=latency,"):
        test.median_ns("latency", 16)
