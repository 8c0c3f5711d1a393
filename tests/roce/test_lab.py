"""The lab itself and the checks in it: what they leave behind, however they end."""
import os
import pathlib
import pty
import signal
import subprocess
import tempfile
import time
import uuid

import pytest

import launch
from conftest import ROCE_LAB

BOOT_SECONDS = 240  # the first time a kernel is fetched


def folder_of(program):
    return pathlib.Path(tempfile.gettempdir()) / f"wm-roce-{program.pid}"


def guests_of(folder):
    """Emulators that run for a lab."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if b"qemu-system" in words and f"lab={folder}".encode() in words:
            found.append(path.parent.name)
    return found


def test_it_goes_with_its_command_and_has_its_status():
    program = launch.Program([ROCE_LAB, "run", "sh", "-c", "hostname; rdma link show; exit 7"])
    end = program.finish(BOOT_SECONDS)
    assert end.rc == 7 and end.stdout.startswith("node1\nlink rxe0/1 state ACTIVE"), end.output
    assert guests_of(folder_of(program)) == [] and not folder_of(program).exists()


def test_it_goes_when_it_is_interrupted():
    program = launch.Program([ROCE_LAB, "run", "sh", "-c", "echo here; sleep 1000"])
    deadline = time.monotonic() + BOOT_SECONDS
    while "here" not in program.stdout():
        assert program.running() and time.monotonic() < deadline, program.stdout() + program.stderr()
        time.sleep(0.1)
    assert len(guests_of(folder_of(program))) == 2
    program.signal(signal.SIGINT)
    end = program.finish(30)
    assert not end.timed_out and end.rc == 128 + signal.SIGINT, end.output
    assert guests_of(folder_of(program)) == [] and not folder_of(program).exists()


def test_a_shell_is_one_on_the_first_node():
    """As a developer has it: a terminal, and the status of the last command."""
    here, there = pty.openpty()
    try:
        shell = subprocess.Popen([ROCE_LAB, "shell"], stdin=there, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.write(here, b"echo on $(hostname); ibv_devices | grep -c rxe0; exit 5\n")
        said, _ = shell.communicate(timeout=BOOT_SECONDS)
    finally:
        os.close(here)
        os.close(there)
    lines = said.replace(b"\r", b"\n").split(b"\n")  # what readline does at the ends of lines is its own
    assert shell.returncode == 5 and b"on node1" in lines and b"1" in lines, said
    assert guests_of(folder_of(shell)) == [] and not folder_of(shell).exists()


class Check:
    """make check-roce under way, its temporary files in a folder of its own; all that it starts bears a mark."""

    def __init__(self, tmp_path):
        self.folder, self._mark = tmp_path / "tmp", uuid.uuid4().hex
        self.folder.mkdir()
        env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        self.make = launch.Program(["make", "-C", launch.ROOT, "check-roce", f"BUILD={os.environ.get('BUILD', 'build')}"],
                                   env={**env, "WM_TEST_CHECK": self._mark, "TMPDIR": str(self.folder)})

    def pids(self):
        return launch.marked_pids(-1, f"WM_TEST_CHECK={self._mark}")

    def own_pid(self):
        """Of scripts/check, which starts the tests."""
        pid, = [pid for pid in self.pids() if "scripts/check" in pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")]
        return pid

    def boots(self):
        return len([pid for pid in self.pids() if launch.command_of(pid) == "qemu-system-x86"]) == 2

    def measures(self):
        return list(self.folder.glob("pytest-of-*/*/roce*/lab/share/*.journal")) != []

    def wait_until(self, it_does):
        deadline = time.monotonic() + BOOT_SECONDS
        while not it_does():
            assert self.make.running() and time.monotonic() < deadline, self.make.stdout() + self.make.stderr()
            time.sleep(0.1)


@pytest.mark.parametrize("moment, whom", [(Check.boots, "check"), (Check.measures, "group")], ids=["boot", "run"])
def test_checks_that_are_interrupted_leave_nothing(tmp_path, moment, whom):
    """No process, no file, no mount; namespaces are the processes' own."""
    check = Check(tmp_path)
    try:
        check.wait_until(lambda: moment(check))
        if whom == "group":  # as a terminal does
            os.killpg(check.make.pid, signal.SIGINT)
        else:
            os.kill(check.own_pid(), signal.SIGTERM)
        check.make.wait(60)
        assert check.pids() == []
        left = [path for path in check.folder.rglob("*") if not path.is_dir() or path.name == "lab"]
        assert left == []
        mounts = pathlib.Path("/proc/self/mountinfo").read_text()
        assert str(check.folder) not in mounts
    finally:
        end = check.make.finish(0)
        for pid in check.pids():
            os.kill(pid, signal.SIGKILL)
    assert end.rc == (-signal.SIGINT if whom == "group" else 2), end.output
