"""Starting programs so that none outlives its test: each leads a session of its own and carries a mark; both end whole."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import uuid


ROOT = pathlib.Path(__file__).resolve().parent.parent

living = set()  # programs whose end nobody has seen yet


class Finished:
    """How a program ended: rc is negative for a signal; output is stdout, then stderr."""

    def __init__(self, rc, stdout, stderr, timed_out):
        self.rc, self.stdout, self.stderr, self.timed_out = rc, stdout, stderr, timed_out

    @property
    def output(self):
        return self.stdout + self.stderr


def marked_pids(session, mark):
    """All living processes of a program: of its session, or with its mark where a launcher made a session of its own."""
    pids = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                state, _, _, its_session = file.read().rpartition(")")[2].split()[:4]
            with open(f"/proc/{name}/environ", "rb") as file:
                marked = mark.encode() in file.read().split(b"\0")
        except (OSError, ValueError):
            continue
        if (int(its_session) == session or marked) and state != "Z":
            pids.append(int(name))
    return pids


def command_of(pid):
    """The kernel's name of a process, 15 characters at most; empty when it has gone."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


class Program:
    """A started program. Its output goes to files, so that a process left behind holds no pipe open."""

    def __init__(self, argv, **popen):
        self.argv = [str(word) for word in argv]
        self._mark = f"WM_TEST_PROGRAM={uuid.uuid4().hex}"
        environment = popen.pop("env", None) or os.environ
        popen["env"] = {**environment, **dict([self._mark.split("=")])}
        self._out, self._err = tempfile.TemporaryFile("w+b"), tempfile.TemporaryFile("w+b")
        self._popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err,
                                       start_new_session=True, **popen)
        self.pid = self._popen.pid
        living.add(self)

    def pids(self, name):
        """The processes of this program whose command is `name`, the ranks for example."""
        return sorted(pid for pid in marked_pids(self.pid, self._mark) if command_of(pid) == name[:15])

    def running(self):
        return self._popen.poll() is None

    def wait(self, timeout):
        """Until the first process has ended; what it left behind lives on."""
        self._popen.wait(timeout)

    def left(self):
        """All of its processes that are alive."""
        return marked_pids(self.pid, self._mark)

    def signal(self, number):
        self._popen.send_signal(number)

    def stdout(self):
        return _text(self._out)

    def stderr(self):
        return _text(self._err)

    def finish(self, timeout, grace=0):
        """Waits, at most `timeout` seconds, then ends what is left of the session; `grace` lets it tidy up before."""
        timed_out = False
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            self._interrupt(grace)
        finally:
            self.end()
        return Finished(self._popen.returncode, self.stdout(), self.stderr(), timed_out)

    def _interrupt(self, grace):
        self.signal(signal.SIGINT)
        try:
            self._popen.wait(grace)
        except subprocess.TimeoutExpired:
            pass

    def end(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            left = marked_pids(self.pid, self._mark)
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._popen.poll()
            time.sleep(0.01)
        self._popen.wait()
        living.discard(self)


def no_name_spaces(*options):
    """Why no program can have these of its own ("-m" mounts, "-u" a host name: unshare's options); "" where it can."""
    try:
        end = subprocess.run(["unshare", *options, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        return "unshare is not here"
    return end.stderr.strip() or f"unshare ends with {end.returncode}" if end.returncode else ""


def _text(file):
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size, 0).decode(errors="replace")


def run(argv, timeout, grace=0, **popen):
    return Program(argv, **popen).finish(timeout, grace)
