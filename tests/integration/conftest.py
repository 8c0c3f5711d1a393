"""Ranks on this machine, with the MPI that WM_MPIRUN names."""
import os
import subprocess

import pytest

import launch

RUN_SECONDS = 120

# Once a rank has left with a status, Open MPI gives the others a second between SIGTERM and SIGKILL. Ours have said all
# before any of them leaves, and need none.
GRACE_SECONDS = "OMPI_MCA_odls_base_sigkill_timeout"


@pytest.fixture
def start(tmp_path):
    """start(argv, env={}) -> launch.Program in the test's own folder; ended with the test, whatever happens."""
    programs = []

    def begin(argv, env=None):
        programs.append(launch.Program(argv, cwd=tmp_path, env={**os.environ, **(env or {})}))
        return programs[-1]

    yield begin
    for program in programs:
        program.end()


@pytest.fixture
def mpirun_start(start):
    """mpirun_start(n, *argv, env={}) -> launch.Program: n ranks on this machine, over loopback, for tests that signal."""

    def begin(n, *argv, env=None):
        return start([launch.ROOT / "scripts/mpirun-local", n, *argv], env)

    return begin


@pytest.fixture
def mpirun(mpirun_start):
    """mpirun(n, *argv, env={}, timeout=120) -> launch.Finished with rc, stdout, stderr; a time-out fails the test."""

    def run(n, *argv, env=None, timeout=RUN_SECONDS):
        end = mpirun_start(n, *argv, env={GRACE_SECONDS: "0", **(env or {})}).finish(timeout)
        assert not end.timed_out, f"{argv} on {n} ranks did not end within {timeout} s\n{end.output}"
        return end

    return run


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory):
    """recorded_once(machine) -> its folder, written once for all tests, which only read it."""
    folders = {}

    def make(machine):
        if machine not in folders:
            folders[machine] = tmp_path_factory.mktemp("machines") / "recorded"
            subprocess.run([launch.ROOT / "tests/recorded/make", machine, folders[machine]], check=True)
        return folders[machine]

    return make


@pytest.fixture
def record(recorded_once, tmp_path):
    """record(machine, *faults) -> folder of a recorded machine; with faults, as tests/recorded/make has them, its own."""

    def make(machine, *faults):
        if not faults:
            return recorded_once(machine)
        folder = tmp_path / "recorded"
        subprocess.run([launch.ROOT / "tests/recorded/make", machine, folder, *faults], check=True)
        return folder

    return make


@pytest.fixture
def preload(wiremark):
    """preload("flip") -> the library built from tests/preload/flip.c, for LD_PRELOAD."""
    return lambda name: wiremark.parent / "tests/preload" / f"{name}.so"
