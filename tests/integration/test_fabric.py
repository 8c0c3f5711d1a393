"""--fabric and --nic on this machine: what they choose, what they refuse, and what the result says of it."""
import os
import socket
import subprocess

import pytest

HOST = socket.gethostname()
LOOPBACK = {"FI_TCP_IFACE": "lo", "FI_NET_IFACE": "lo"}
QUICK = ["--bytes", "8", "--cell-time", "10ms", "--min-samples", "20", "--output", "r.json"]
NO_SUCH_FABRIC = next((name for name in ("efa", "ib", "roce") if not os.path.isdir("/sys/class/infiniband")), None)


def built_in(wiremark, transport):
    shown = subprocess.run([wiremark, "list"], capture_output=True, text=True, timeout=60, check=True).stdout
    line, = [line for line in shown.split("\nmemory\n")[0].splitlines() if line.split()[:1] == [transport]]
    return "not built in" not in line


@pytest.fixture
def run(wiremark, mpirun):
    """run(*words, env={}) -> how two ranks ended."""
    return lambda *words, env=None: mpirun(2, wiremark, "run", "latency", *words, *QUICK, env={**LOOPBACK, **(env or {})})


def said(end):
    return [line for line in end.stderr.splitlines() if line.startswith("wiremark: ")]


IMPOSSIBLE = {
    "fabric of other transports": (["--fabric", "roce", "--transport", "null"], "null does not use roce; take --transport verbs"),
    "unknown": (["--fabric", "rocee"], "(did you mean roce?)"),
    "twice": (["--fabric", "tcp,tcp"], "tcp is given twice"),
    "GPUs alone": (["--fabric", "nvlink", "--transport", "sim"], "which sim does not move"),
    "card without use": (["--fabric", "shm", "--nic", "lo"], "--nic has no effect"),
    "auto among names": (["--nic", "auto,lo"], "--nic auto stands alone"),
}


@pytest.mark.parametrize("words, part", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_impossible_by_definition_is_2(run, tmp_path, words, part):
    end = run(*words)
    assert end.rc == 2 and len(said(end)) == 1 and part in said(end)[0], end.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(NO_SUCH_FABRIC is None, reason="this machine has RDMA devices")
@pytest.mark.parametrize("fabric, words, port", [("roce", [], "an active RoCE port"), ("ib", [], "an active InfiniBand port"),
                                                 ("efa", [], "an active EFA device"),
                                                 ("roce", ["--transport", "mpi"], "an active RoCE port")],
                         ids=["roce", "ib", "efa", "with a transport"])
def test_a_fabric_that_is_not_here_is_3_with_what_is(run, tmp_path, fabric, words, port):
    end = run("--fabric", fabric, *words)
    assert end.rc == 3 and len(said(end)) == 1, end.output
    assert f"--fabric {fabric}: looked for {port} on host {HOST} and found " in said(end)[0]
    assert "lo (tcp)" in said(end)[0]
    assert list(tmp_path.iterdir()) == []


def test_links_between_gpus_need_their_memory(run, tmp_path):
    end = run("--fabric", "nvlink", "--transport", "mpi")
    assert end.rc == 3 and len(said(end)) == 1, end.output
    assert f"--fabric nvlink: looked for an active NVLink on host {HOST} and found " in said(end)[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--nic", "wm9"], ["--nic", "lo,wm9"], ["--fabric", "tcp", "--nic", "wm9"]], ids=" ".join)
def test_a_card_that_is_not_here_is_3_with_those_that_are(run, tmp_path, words):
    end = run(*words, "--transport", "mpi")
    assert end.rc == 3 and len(said(end)) == 1, end.output
    assert f"--nic wm9: there is no such card on host {HOST}; there are " in said(end)[0] and "lo (tcp)" in said(end)[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(NO_SUCH_FABRIC is None, reason="this machine has RDMA devices")
def test_fabrics_are_found_before_cards(run):
    end = run("--fabric", "efa", "--nic", "wm9", "--transport", "mpi")
    assert end.rc == 3 and "looked for an active EFA device" in said(end)[0], end.output


def test_shared_memory_is_what_mpi_takes_and_cannot_prove(run, load_result, tmp_path):
    end = run("--fabric", "shm")
    assert end.rc == 0, end.output
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert cell["transport"] == "mpi" and cell["id"].endswith(" fabric=shm") and cell["settings"]["fabric"] == "shm"
    assert "fabric" not in cell and "provider" not in cell
    assert cell["evidence"] == {"verdict": "unproven", "reason": "within a host no counter tells which way mpi took"}


@pytest.mark.slow
def test_arms_of_fabrics(run, load_result, tmp_path):
    end = run("--fabric", "tcp,shm", "--transport", "mpi")
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    assert result["comparisons"][0]["varies"] == ["fabric"]
    assert result["comparisons"][0]["arms"] == ["fabric=tcp", "fabric=shm"]


@pytest.mark.slow
def test_tcp_alone_takes_libfabric_where_it_is(run, wiremark, load_result, tmp_path):
    end = run("--fabric", "tcp")
    assert end.rc == 0, end.output
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert cell["id"].endswith(" fabric=tcp"), cell["id"]
    assert "provider" not in cell["settings"]
    if not built_in(wiremark, "ofi"):
        assert cell["transport"] == "mpi"
    else:
        assert cell["transport"] == "ofi" and cell["fabric"] == "tcp"
        assert cell["provider"].split(";")[0] == "tcp" and " ofi  " + cell["provider"] + "  tcp  " in end.stdout


@pytest.mark.slow
@pytest.mark.parametrize("lacks", [0, 1])
def test_a_host_that_would_take_another_transport_is_named(wiremark, mpirun, tmp_path, lacks):
    if not built_in(wiremark, "ofi"):
        pytest.skip("libfabric is not installed: ofi is not built in")
    on_one = f'[ "${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}}" = {lacks} ] && export FI_PROVIDER=shm; exec "$0" "$@"'
    end = mpirun(2, "sh", "-c", on_one, wiremark, "run", "latency", "--fabric", "tcp", *QUICK, env=LOOPBACK)
    assert end.rc == 3, end.output
    assert said(end) == [f"wiremark: --fabric tcp: host {HOST} would use transport mpi and others ofi, for not "
                         "all can be used everywhere; name one with --transport"], end.output
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_provider_of_another_fabric_is_2(run, wiremark):
    if not built_in(wiremark, "ofi"):
        pytest.skip("libfabric is not installed: ofi is not built in")
    end = run("--fabric", "tcp", "--provider", "shm")
    assert end.rc == 2 and "--fabric tcp --provider shm: this provider uses another fabric" in said(end)[0], end.output


def test_the_card_of_each_rank_stands_in_the_result(run, load_result, tmp_path):
    end = run("--nic", "lo")
    assert end.rc == 0 and "warning" not in end.stderr, end.output
    result = load_result(tmp_path / "r.json")
    assert [rank["nic"] for rank in result["world"]["ranks"]] == ["lo", "lo"]
    assert "nic" not in result["cells"][0]["id"] and result["environment"]["variables"]["UCX_NET_DEVICES"] == "lo"


def test_a_variable_of_the_user_is_left_and_named(run, load_result, tmp_path):
    card = next((name for name in sorted(os.listdir("/sys/class/net")) if name != "lo"), None)
    if card is None:
        pytest.skip("this machine has no interface beside the loopback")
    end = run("--nic", card)  # the launcher of these tests names lo
    assert end.rc == 0, end.output
    assert f"wiremark: warning: UCX_NET_DEVICES=lo is set and decides, not --nic {card}" in said(end), end.output
    assert load_result(tmp_path / "r.json")["environment"]["variables"]["UCX_NET_DEVICES"] == "lo"


def test_list_says_which_fabrics_are_here_and_by_what(wiremark):
    shown = subprocess.run([wiremark, "list"], capture_output=True, text=True, timeout=60, check=True).stdout
    section = shown.split("\nfabrics\n")[1].splitlines()
    names = [line.split()[0] for line in section if line[2] != " "]
    assert names == ["nvlink", "pcie", "ib", "roce", "efa", "tcp", "shm"]
    tcp = section[next(i for i, line in enumerate(section) if line.split()[0] == "tcp"):]
    assert "lo" in tcp[0] and any("by transport mpi, where the library takes it" in line for line in tcp[1:3])
    if NO_SUCH_FABRIC is not None:
        assert any(line.split() == "roce not here: looked for an active RoCE port".split() for line in section)


def test_plan_asks_nothing_of_this_machine(wiremark, tmp_path):
    end = subprocess.run([wiremark, "plan", "latency", "--bytes", "8", "--fabric", "ib,tcp", "--transport", "mpi", "--nic", "mlx5_7",
                          "--ranks", "4", "--hosts", "2"], capture_output=True, text=True, timeout=60)
    assert end.returncode == 0 and end.stderr == "", end.stderr
    assert "fabric=ib" in end.stdout and "2 cells for 4 ranks on 2 hosts" in end.stdout
    end = subprocess.run([wiremark, "plan", "latency", "--fabric", "shm", "--ranks", "4", "--hosts", "2"], capture_output=True,
                         text=True, timeout=60)
    assert end.returncode == 2 and "--fabric shm ends at the host" in end.stderr, end.stderr
