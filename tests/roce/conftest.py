"""A lab of two guests with software RoCE for all tests here: brought up once, down however they end."""
import pathlib
import subprocess
import time

import pytest

import launch

ROCE_LAB = launch.ROOT / "scripts/roce-lab"
BOOT_SECONDS = 240  # the first time a kernel is fetched
RUN_SECONDS = 180
COUNTERS = "/sys/class/infiniband/rxe0/ports/1/hw_counters"


class Lab:
    def __init__(self, folder):
        self.folder, self.share = folder, folder / "share"
        # Its standard input is what keeps it up: the lab ends with this process.
        self._owner = subprocess.Popen([ROCE_LAB, "up", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        if self._owner.stdout.readline() != "ready\n":
            pytest.fail(f"the lab did not come up:\n{self._owner.communicate()[1]}")

    def on(self, node, *argv, timeout=RUN_SECONDS):
        """Runs to the end on a node: launch.Finished; a time-out fails the test."""
        end = launch.run([ROCE_LAB, "on", self.folder, node, *map(str, argv)], timeout, 5)
        assert not end.timed_out, f"{argv} on {node} did not end within {timeout} s\n{end.output}"
        return end

    def mpirun(self, ranks_per_node, *argv, timeout=RUN_SECONDS):
        hosts = ",".join(f"node{n}:{ranks_per_node}" for n in (1, 2))
        return self.on("node1", "mpirun", "--bind-to", "none", "-H", hosts, *argv, timeout=timeout)

    def packets(self, node):
        """Packets that the node's RDMA device has sent; the kernel keeps the reading for some milliseconds."""
        time.sleep(0.1)
        return int(self.on(node, "cat", f"{COUNTERS}/sent_pkts").stdout)

    def down(self):
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
def lab(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("roce"))
    yield made
    made.down()
