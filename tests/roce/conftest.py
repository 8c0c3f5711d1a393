"""A lab of two guests with software RoCE for all tests here: brought up once, down however they end."""
import pathlib
import signal
import subprocess
import time
import uuid

import pytest

import launch

ROCE_LAB = launch.ROOT / "scripts/roce-lab"
RUN_SECONDS = 180
COUNTERS = "/sys/class/infiniband/rxe0/ports/1/hw_counters"
NODES = ("node1", "node2")
# rxe's completion queues are short and its first address is link-local: what each provider has to be told here.
PROVIDERS = {
    "verbs;ofi_rxm": {"FI_OFI_RXM_MSG_TX_SIZE": "64", "FI_OFI_RXM_MSG_RX_SIZE": "64", "FI_UNIVERSE_SIZE": "8"},
    "verbs;ofi_rxd": {"FI_VERBS_GID_IDX": "1"},
    "udp;ofi_rxd": {"FI_UDP_IFACE": "eth1"},
    "tcp": {"FI_TCP_IFACE": "eth1"},
}


def seconds_left_until(deadline):
    return max(deadline - time.monotonic(), 0)


class Lab:
    """Links: eth0 is the launcher's and MPI's, eth1 the fabric below rxe0."""

    def __init__(self, folder):
        self.folder, self.share = folder, folder / "share"
        # Its standard input is what keeps it up: the lab ends with this process.
        self._owner = subprocess.Popen([ROCE_LAB, "up", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        try:
            if self._owner.stdout.readline() != "ready\n":
                pytest.fail(f"the lab did not come up:\n{self._owner.communicate()[1]}")
        except BaseException:  # also an interrupt
            self.down()
            raise

    def start(self, node, *argv):
        return launch.Program([ROCE_LAB, "on", self.folder, node, *map(str, argv)])

    def on(self, node, *argv, timeout=RUN_SECONDS):
        """Runs to the end on a node: launch.Finished; a time-out fails the test."""
        end = self.start(node, *argv).finish(timeout, 5)
        assert not end.timed_out, f"{argv} on {node} did not end within {timeout} s\n{end.output}"
        return end

    def run_words(self, argv, ranks=(1, 1), variables=None):
        hosts = ",".join(f"{node}:{count}" for node, count in zip(NODES, ranks))
        exported = [word for name, value in (variables or {}).items() for word in ("-x", f"{name}={value}")]
        return ["mpirun", "--bind-to", "none", "-H", hosts, *exported, *argv]

    def mpirun(self, *argv, timeout=RUN_SECONDS, **how):
        return self.on("node1", *self.run_words(argv, **how), timeout=timeout)

    def mpirun_start(self, *argv, **how):
        return self.start("node1", *self.run_words(argv, **how))

    def new_result(self):
        return self.share / f"{uuid.uuid4().hex}.json"

    def counter(self, node, name):
        """Of the node's RDMA device; the kernel keeps the reading for some milliseconds."""
        time.sleep(0.1)
        return int(self.on(node, "cat", f"{COUNTERS}/{name}").stdout)

    def when_busy(self, node, command):
        """Runs a command on the node as soon as its RDMA device has sent 50 packets more than now: waits there, not here."""
        wait = f"end=$(($(cat {COUNTERS}/sent_pkts) + 50)); echo waiting; " \
               f"until [ $(cat {COUNTERS}/sent_pkts) -ge $end ]; do sleep 0.05; done; {command}; echo done"
        program = self.start(node, "sh", "-c", wait)
        deadline = time.monotonic() + RUN_SECONDS
        while "waiting" not in program.stdout():
            assert program.running() and time.monotonic() < deadline, program.stderr()
            time.sleep(0.05)
        return program

    def lose(self, node, share):
        """The node's fabric link loses this share of what it sends: "1%"."""
        end = self.on(node, "tc", "qdisc", "add", "dev", "eth1", "root", "netem", "loss", share)
        assert end.rc == 0, end.output

    def pids(self, node, name):
        return [int(pid) for pid in self.on(node, "pgrep", "-x", name).stdout.split()]

    def nobody_left(self, name, seconds):
        """Within so many seconds: which nodes still have a process of that name."""
        deadline = time.monotonic() + seconds
        while (left := {node: pids for node in NODES if (pids := self.pids(node, name))}) and seconds_left_until(deadline):
            time.sleep(0.5)
        return left

    def mend(self):
        """All links up and without faults; nothing of a test left."""
        script = """pkill -9 -x wiremark; pkill -9 -x mpirun; pkill -9 -x orted
            tc qdisc del dev eth1 root 2>/dev/null
            for link in eth0 eth1; do ip link set $link up; done; true"""
        for node in NODES:
            self.on(node, "sh", "-c", script)

    def down(self):
        self._owner.send_signal(signal.SIGTERM)
        self._owner.stdin.close()
        self._owner.wait(30)


def why_no_lab():
    ready = subprocess.run([ROCE_LAB, "check"], stdout=subprocess.PIPE, text=True)
    return ready.stdout.strip() if ready.returncode else None


def pytest_collection_modifyitems(items):
    reason = why_no_lab()
    for item in items:
        if reason is not None and pathlib.Path(str(item.fspath)).parent == launch.ROOT / "tests/roce":
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def guests(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("roce") / "lab")
    try:
        yield made
    finally:
        made.down()


@pytest.fixture
def lab(guests, request):
    """The lab, whole; what a test broke is mended after it."""
    yield guests
    if request.node.get_closest_marker("breaks") is not None:
        guests.mend()


@pytest.fixture
def measure(lab, wiremark, load_result):
    """measure(words, transport=..., status=0, ...) -> (launch.Finished, result)."""

    def run(*words, transport="verbs", status=0, **how):
        output = lab.new_result()
        end = lab.mpirun(wiremark, "run", *words, "--transport", transport, "--cell-time", "50ms", "--timeout", "20s",
                         "--output", output, **how)
        assert end.rc == status, end.output
        return end, load_result(output)

    return run
