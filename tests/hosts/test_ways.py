"""--fabric between hosts: what the counters say is held against what was named. The RDMA card is made of files."""
import shlex
import subprocess

import pytest

CARD = {"node_type": "1: CA", "ports/1/link_layer": "Ethernet", "ports/1/state": "4: ACTIVE", "ports/1/phys_state": "5: LinkUp",
        "ports/1/rate": "100 Gb/sec (4X EDR)", "ports/1/counters/port_xmit_data": "0", "ports/1/counters/port_rcv_data": "0"}
QUICK = ["--cell-time", "50ms", "--min-samples", "20", "--output", "r.json"]


@pytest.fixture
def with_card(tmp_path, wiremark):
    """with_card(*words, hosts="h1 h2") -> command of a rank that sees a RoCE card whose counters stand still."""
    shown = tmp_path / "class"
    (shown / "net").mkdir(parents=True)
    for name, text in CARD.items():
        file = shown / "infiniband/mlx5_0" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def command(*words, hosts="h1 h2"):
        show = f"mount --bind /sys/class/net {shown}/net && mount --rbind {shown} /sys/class"
        run = shlex.join(map(str, [wiremark, "run", *words, *QUICK]))
        return ["unshare", "--mount", "sh", "-c", f'case " {hosts} " in *" $(hostname) "*) {show};; esac && exec {run}']

    return command


def said(end):
    return [line for line in end.stderr.splitlines() if line.startswith("wiremark: ")]


def test_bytes_that_took_another_way_than_the_one_named_are_a_failure(make_lab, with_card, load_result, tmp_path):
    end = make_lab(2).mpirun(2, *with_card("latency", "--bytes", "64K", "--fabric", "roce", "--transport", "mpi"),
                             env={"OMPI_MCA_btl": "tcp,self"})
    assert end.rc == 1, end.output
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert cell["evidence"]["verdict"] == "contradicted" and cell["status"] == "failed"
    assert cell["reason"].startswith("--fabric roce: the bytes went another way: h1: eth0 carried 1")
    assert cell["reason"].endswith(" % of the bytes, mlx5_0:1 0 %")
    assert cell["fabric"] == cell["evidence"]["fabric"] == "tcp" and cell["id"].endswith(" fabric=roce")
    assert cell["time_ns"]["median"] > 0


def test_the_way_that_was_named_and_taken_is_proven(make_lab, with_card, load_result, tmp_path):
    end = make_lab(2).mpirun(2, *with_card("latency", "allreduce", "--bytes", "64K", "--fabric", "tcp", "--transport", "mpi",
                                           "--require-proven"), env={"OMPI_MCA_btl": "tcp,self"})
    assert end.rc == 0, end.output
    for cell in load_result(tmp_path / "r.json")["cells"]:
        assert cell["evidence"]["verdict"] == "proven" and cell["fabric"] == "tcp" and "reason" not in cell


def test_a_contradiction_is_nothing_but_a_verdict_where_no_fabric_was_named(make_lab, with_card, load_result, tmp_path):
    end = make_lab(2).mpirun(2, *with_card("latency", "--bytes", "64K"), env={"OMPI_MCA_btl": "tcp,self"})
    assert end.rc == 0, end.output
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert cell["evidence"]["verdict"] == "proven" and cell["fabric"] == "tcp"


def test_arms_are_judged_one_by_one(make_lab, with_card, load_result, tmp_path):
    end = make_lab(2).mpirun(2, *with_card("latency", "--bytes", "64K", "--fabric", "tcp,roce", "--transport", "mpi"),
                             env={"OMPI_MCA_btl": "tcp,self"})
    assert end.rc == 1, end.output
    cells = load_result(tmp_path / "r.json")["cells"]
    assert [(cell["status"], cell["evidence"]["verdict"]) for cell in cells] == [("measured", "proven"), ("failed", "contradicted")]


@pytest.fixture
def two_rails(make_lab):
    """Two hosts with a second link between them: eth1."""
    lab = make_lab(2)
    subprocess.run(["ip", "-n", f"{lab.name}-h1", "link", "add", "eth1", "type", "veth", "peer", "name", "eth1",
                    "netns", f"{lab.name}-h2"], check=True)
    for number in (1, 2):
        host = f"{lab.name}-h{number}"
        subprocess.run(["ip", "-n", host, "address", "add", f"203.0.113.{number}/24", "dev", "eth1"], check=True)
        subprocess.run(["ip", "-n", host, "link", "set", "eth1", "up"], check=True)
    return lab


def test_ranks_of_a_host_with_a_card_each_prove_their_way_together(two_rails, wiremark, load_result, tmp_path):
    end = two_rails.mpirun(4, wiremark, "run", "alltoall", "--algo", "pairwise", "--transport", "ofi", "--provider", "tcp",
                           "--nic", "eth0,eth1", "--bytes", "64K", "--require-proven", *QUICK)
    assert end.rc == 0, end.output
    cell, = load_result(tmp_path / "r.json")["cells"]
    said = [(claim["host"], claim["device"]) for claim in cell["evidence"]["claims"]]
    assert said == [("h1", "eth0"), ("h1", "eth1"), ("h2", "eth0"), ("h2", "eth1")]
    seen = {(counter["host"], counter["device"]) for counter in cell["evidence"]["counters"] if counter["device"] != "lo"}
    assert seen == set(said), seen


REFUSED = [
    (3, "h1", ["--fabric", "roce"], "--fabric roce: looked for an active RoCE port on host h2 and found eth0 (tcp), lo (tcp)"),
    (3, "h1", ["--nic", "mlx5_0"], "--nic mlx5_0: there is no such card on host h2; there are eth0 (tcp), lo (tcp)"),
    (2, "h1 h2", ["--nic", "eth0", "--fabric", "roce"],
     "--nic eth0 --fabric roce: eth0 is of fabric tcp; name another card or fabric"),
    (2, "h1 h2", ["--nic", "mlx5_0", "--fabric", "tcp"],
     "--nic mlx5_0 --fabric tcp: mlx5_0 is of fabric roce; name another card or fabric, as the interface of this one"),
]


def test_one_line_from_one_rank_and_nothing_is_written(make_lab, with_card, tmp_path):
    lab = make_lab(2)
    for status, hosts, words, line in REFUSED:
        end = lab.mpirun(2, *with_card("latency", *words, "--transport", "mpi", hosts=hosts))
        assert end.rc == status and said(end) == [f"wiremark: {line}"], end.output
        assert not (tmp_path / "r.json").exists()


def test_a_provider_on_one_host_only_costs_its_arm_and_the_other_host_is_named(make_lab, wiremark, load_result, tmp_path):
    listed = subprocess.run([wiremark, "list"], capture_output=True, text=True, timeout=60, check=True).stdout
    if "libfabric" not in listed.split("\n  ofi ")[1].splitlines()[0]:
        pytest.skip("libfabric is not built in")
    on_h2 = '[ "$(hostname)" = h2 ] && export FI_PROVIDER=shm; exec "$0" "$@"'
    end = make_lab(2).mpirun(2, "sh", "-c", on_h2, wiremark, "run", "latency", "--bytes", "8", "--transport", "ofi,mpi", "--provider",
                             "tcp", *QUICK, env={"OMPI_MCA_btl": "tcp,self", "FI_TCP_IFACE": "eth0"})
    assert end.rc == 3, end.output
    cells = {cell["transport"]: cell for cell in load_result(tmp_path / "r.json")["cells"]}
    assert cells["mpi"]["status"] == "measured" and cells["ofi"]["status"] == "skipped"
    assert cells["ofi"]["reason"].startswith("ofi could not be opened on host h2: rank 1: --provider tcp: FI_PROVIDER=shm leaves it out")


def test_the_nearest_card_is_one_of_the_fabric_named(make_lab, with_card, load_result, tmp_path):
    end = make_lab(2).mpirun(2, *with_card("latency", "--bytes", "8", "--nic", "auto", "--fabric", "roce", "--transport", "mpi"),
                             env={"OMPI_MCA_btl": "tcp,self", "OMPI_MCA_pml": "ob1"})
    result = load_result(tmp_path / "r.json")
    assert [rank["nic"] for rank in result["world"]["ranks"]] == ["mlx5_0", "mlx5_0"], end.output
    assert result["environment"]["variables"]["UCX_NET_DEVICES"] == "mlx5_0:1"


def test_an_interface_is_told_to_the_library(make_lab, with_card, load_result, tmp_path):
    end = make_lab(2).mpirun(2, *with_card("latency", "--bytes", "64K", "--nic", "eth0", "--transport", "mpi", "--require-proven"),
                             env={"OMPI_MCA_btl": "tcp,self"})
    assert end.rc == 0 and "warning" not in end.stderr, end.output
    result = load_result(tmp_path / "r.json")
    assert result["environment"]["variables"]["OMPI_MCA_btl_tcp_if_include"] == "eth0"
    assert result["environment"]["variables"]["UCX_NET_DEVICES"] == "eth0"

