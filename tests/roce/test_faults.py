"""What goes wrong with a fabric, for real: cut links, lost packets, wrong addresses, no memory to lock."""
import signal

import pytest

from conftest import NODES, PROVIDERS

breaks = pytest.mark.breaks  # the lab is mended after it

BOTH = "verbs,mpi"


def disturb(lab, wiremark, node, command, *words, timeout="15s"):
    """A run that is disturbed by a command on a node in its first cell: (program, where its result will be)."""
    output = lab.new_result()
    fault = lab.when_busy(node, command)
    program = lab.mpirun_start(wiremark, "run", *words, "--cell-time", "5s", "--timeout", timeout, "--output", output)
    end = fault.finish(120)
    assert end.rc == 0 and end.stdout.endswith("done\n"), end.output + program.stdout() + program.stderr()
    return program, output


def lost_arm(end, result):
    """The cells of verbs were lost, with a reason; those of mpi measured; the status says so. Returns the first reason."""
    cells = {(cell["transport"], cell["bytes"]): cell for cell in result["cells"]}
    first, later = cells["verbs", 8], cells["verbs", 64]
    assert first["status"] in ("failed", "timeout") and first["reason"], first
    assert later["status"] == "not_run" and later["reason"] == first["reason"], later
    for size in (8, 64):
        assert cells["mpi", size]["status"] == "measured", cells["mpi", size]
        assert cells["mpi", size]["verify"]["wrong_elements"] == 0
    assert result["complete"] is True
    assert end.rc == (124 if first["status"] == "timeout" else 1), end.output
    return first["reason"]


@breaks
def test_a_cut_fabric_link_costs_the_arm_and_the_run_goes_on(lab, wiremark, load_result):
    program, output = disturb(lab, wiremark, "node2", "ip link set eth1 down", "latency", "--bytes", "8,64", "--transport", BOTH)
    end = program.finish(170, 5)
    assert not end.timed_out, end.output
    lost_arm(end, load_result(output))
    assert lab.nobody_left("wiremark", 5) == {}


@breaks
def test_a_peer_that_does_not_answer_any_more_is_an_error_of_its_own(lab, wiremark, load_result):
    program, output = disturb(lab, wiremark, "node1", "tc qdisc add dev eth1 root netem loss 100%", "put-latency", "--bytes",
                              "8,64", "--transport", "verbs")
    end = program.finish(170, 5)
    assert not end.timed_out and end.rc == 1, end.output
    cell = load_result(output)["cells"][0]
    assert cell["status"] == "failed", cell
    for part in ("rank 0: rxe0:1 with rank 1 on node2", "vendor code 0x", "no answer: look at the peer", "--gid-index",
                 "transport retry counter exceeded"):
        assert part in cell["reason"], cell["reason"]


def journal_of(output):
    return output.with_name(f"{output.name}.journal")


def after_a_cell(lab, node, output, command):
    """Runs a command on the node as soon as a cell stands in the journal: waits there, as a way in takes its time."""
    wait = f"until grep -q '\"cell\"' {journal_of(output)} 2>/dev/null; do sleep 0.1; done; {command}"
    return lab.start(node, "sh", "-c", wait)


@breaks
def test_both_links_cut_end_the_run_on_both_sides(lab, wiremark, load_result):
    output = lab.new_result()
    # Each rank's own status: what the launcher makes of it, and whether it ends at all without its daemon, is its affair.
    noted = f'"$@"; echo $? >{output}.$OMPI_COMM_WORLD_RANK'
    fault = after_a_cell(lab, "node2", output, "ip link set eth0 down; ip link set eth1 down")
    program = lab.mpirun_start("sh", "-c", noted, "noted", wiremark, "run", "latency", "--bytes", "8,64,512", "--transport",
                               "verbs", "--cell-time", "3s", "--timeout", "6s", "--output", output)
    assert fault.finish(120).rc == 0, program.stdout() + program.stderr()
    left = lab.nobody_left("wiremark", 6 + 5 + 30)
    assert left == {}, (left, program.stdout(), program.stderr())
    end = program.finish(10, 5)
    assert end.rc == 124 or end.timed_out, end.output
    statuses = [output.with_name(f"{output.name}.{rank}").read_text().strip() for rank in (0, 1)]
    assert statuses == ["124", "124"], (statuses, end.output)
    result = load_result(output)
    assert result["complete"] is False and "host node2 (rank 1) does not answer" in result["ended_by"], result["ended_by"]
    said = [line for line in end.stderr.splitlines() if line.startswith("wiremark: ")]
    assert said[-1] == f"wiremark: partial result in {output}", end.stderr
    cells = result["cells"]
    assert cells[0]["status"] == "measured" and cells[0]["verify"]["wrong_elements"] == 0, cells[0]
    assert [cell["status"] for cell in cells[-2:]] == ["timeout", "not_run"] or cells[1]["status"] == "failed", cells
    assert not journal_of(output).exists()


@breaks
@pytest.mark.parametrize("provider, victim", [("verbs;ofi_rxm", 1), ("udp;ofi_rxd", 0)])
def test_a_killed_rank_is_named_and_no_cell_is_lost(lab, wiremark, load_result, provider, victim):
    output, node = lab.new_result(), NODES[victim]
    fault = after_a_cell(lab, node, output, "pkill -9 -x wiremark")
    program = lab.mpirun_start(wiremark, "run", "latency", "--bytes", "8,64K", "--transport", "ofi", "--provider", provider,
                               "--cell-time", "2s", "--timeout", "20s", "--output", output, variables=PROVIDERS[provider])
    assert fault.finish(120).rc == 0, program.stdout() + program.stderr()
    end = program.finish(60, 5)
    assert not end.timed_out and end.rc == 128 + signal.SIGKILL, end.output  # the launcher's own
    assert lab.nobody_left("wiremark", 5) == {}
    said, = [line for line in end.stderr.splitlines() if line.startswith("wiremark: ended: ")]
    assert said.startswith(f"wiremark: ended: rank {victim} on {node} is gone (process "), end.stderr
    if victim == 0:  # who writes the result
        assert said.endswith("what was measured stands in the journal beside the result: wiremark recover"), said
        assert lab.on("node1", wiremark, "recover", journal_of(output)).rc == 0
    else:
        assert said.endswith(f"; partial result in {output}"), said
    result = load_result(output)
    assert result["complete"] is False and result["cells"][0]["status"] == "measured", result["cells"]
    assert result["cells"][0]["verify"]["wrong_elements"] == 0


@breaks
def test_lost_packets_are_sent_again_and_counted(lab, measure):
    lab.lose("node1", "1%")
    before = lab.counter("node1", "completer_retry_err")
    _, result = measure("put-bandwidth", "bandwidth", "--bytes", "64K", "--window", "8")
    assert [cell["status"] for cell in result["cells"]] == ["measured", "measured"]
    assert all(cell["verify"]["checked_bytes"] > 0 and cell["verify"]["wrong_elements"] == 0 for cell in result["cells"])
    assert lab.counter("node1", "completer_retry_err") > before
    errors = [c.get("errors", "") for cell in result["cells"] for c in cell["evidence"]["counters"]]
    assert any("completer_retry_err" in text or "rcvd_seq_err" in text for text in errors), errors


def absent(measure, *words):
    """An exit status of 3, and why."""
    _, result = measure("latency", "--bytes", "8", *words, status=3)
    (cell,) = result["cells"]
    assert cell["status"] == "skipped", cell
    return cell["reason"]


def test_an_address_that_is_not_there_lists_those_that_are(measure):
    reason = absent(measure, "--gid-index", "77")
    assert "--gid-index 77: rxe0:1 has no such address; it has 0 fe80::" in reason, reason
    assert "1 ::ffff:198.51.100.1" in reason, reason


def test_an_address_that_leads_nowhere_names_both_ends(measure):
    """Row 0 is link-local, and no interface here has that address."""
    _, result = measure("latency", "--bytes", "8", "--gid-index", "0", status=3)
    cell, = result["cells"]
    assert cell["status"] == "not_run", cell
    assert " rxe0:1, address 0, to rxe0:1 of rank 1 on node2, address 0: look at both links" in cell["reason"], cell["reason"]
    assert "or name another with --gid-index (ibv_modify_qp: " in cell["reason"], cell["reason"]


def test_addresses_of_two_kinds_are_refused_before_they_time_out(lab, wiremark, load_result):
    output = lab.new_result()
    each = 'exec "$@" --gid-index $OMPI_COMM_WORLD_RANK'  # link-local on node1, IPv4 on node2
    end = lab.mpirun("sh", "-c", each, "each", wiremark, "run", "latency", "--bytes", "8", "--transport", "verbs", "--output", output)
    assert end.rc == 3, end.output
    reason = load_result(output)["cells"][0]["reason"]
    assert "rxe0:1 on node1 has address 0 (RoCE v2, IPv6) and rxe0:1 on node2 address 1 (RoCE v2, IPv4), which cannot reach" in reason, reason
    assert "name one kind for both with --gid-index" in reason, reason


@breaks
def test_a_device_on_one_host_only_names_the_other(lab, wiremark, load_result):
    output = lab.new_result()
    assert lab.on("node2", "rdma", "link", "delete", "rxe0").rc == 0
    try:
        end = lab.mpirun(wiremark, "run", "latency", "--bytes", "8", "--transport", BOTH, "--cell-time", "50ms", "--output", output)
    finally:
        assert lab.on("node2", "rdma", "link", "add", "rxe0", "type", "rxe", "netdev", "eth1").rc == 0
    assert end.rc == 3, end.output
    cells = {cell["transport"]: cell for cell in load_result(output)["cells"]}
    assert cells["mpi"]["status"] == "measured" and cells["verbs"]["status"] == "skipped"
    assert cells["verbs"]["reason"] == "verbs could not be opened on host node2: rank 1: no RDMA device here (/sys/class/infiniband)"


def test_a_port_that_is_not_there_lists_those_that_are(measure):
    reason = absent(measure, "--nic-port", "3")
    assert "no RDMA port here is active and what is asked for: --nic-port 3; there are rxe0:1 roce active" in reason, reason


def test_memory_that_may_not_be_locked_names_the_limit_and_the_mend(lab, wiremark, load_result):
    output = lab.new_result()
    limited = 'ulimit -l 64; exec setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock "$@"'
    end = lab.mpirun("sh", "-c", limited, "limited", wiremark, "run", "latency", "--bytes", "8", "--transport", "verbs",
                     "--output", output)
    assert end.rc == 3, end.output
    reason = load_result(output)["cells"][0]["reason"]
    for part in ("transport verbs has to lock ", " and this process may lock 65536", "ulimit -l unlimited"):
        assert part in reason and end.stdout.count(part) == 1, end.output


def why_not_usable(lab, wiremark, *words):
    """What `list` says of transport verbs on node1 when it is started so."""
    listed = lab.on("node1", "sh", "-c", " ".join([*words, str(wiremark), "list"])).stdout
    return next(line for line in listed[listed.index("\n  verbs "):].splitlines() if "usable here" in line)


def test_a_device_that_may_not_be_opened_names_its_file(lab, wiremark):
    device = "/dev/infiniband/uverbs0"
    line = why_not_usable(lab, wiremark, f"trap 'chmod 600 {device}' EXIT; chmod 0 {device};",
                          "setpriv --bounding-set -dac_override --inh-caps -dac_override")
    assert "rxe0 (ibv_open_device: " in line, line  # the library tries a second file, so that the errno is that one's
    assert f": is {device} here, and may this user read and write it?)" in line, line


def test_a_device_without_a_driver_in_libibverbs_names_the_package(lab, wiremark):
    line = why_not_usable(lab, wiremark, "unshare -m sh -c 'mount -t tmpfs none /etc/libibverbs.d; exec \"$@\"' nothing")
    assert "the kernel has the RDMA device rxe0, and libibverbs no driver for it: install ibverbs-providers" in line, line
