"""The lab itself: what it leaves behind, however it ends."""
import pathlib
import signal
import tempfile
import time

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
