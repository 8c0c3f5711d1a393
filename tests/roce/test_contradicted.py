"""--fabric roce where the bytes really cross software RoCE, and where MPI takes them over the control link instead."""
import uuid


def run(lab, load_result, wiremark, *words):
    """One latency cell between the guests: (how it ended, the cell)."""
    output = lab.share / f"{uuid.uuid4().hex}.json"
    end = lab.on("node1", "mpirun", "--bind-to", "none", "-H", "node1:1,node2:1", wiremark, "run", "latency", "--bytes", "64K",
                 "--cell-time", "50ms", "--timeout", "20s", "--output", output, *words)
    cell, = load_result(output)["cells"]
    return end, cell


def test_mpi_over_tcp_is_contradicted(lab, load_result, wiremark):
    end, cell = run(lab, load_result, wiremark, "--fabric", "roce", "--transport", "mpi")
    assert end.rc == 1, end.output
    assert cell["status"] == "failed" and cell["evidence"]["verdict"] == "contradicted", cell
    assert "--fabric roce: the bytes went another way: node1: eth0 carried 1" in cell["reason"]
    assert cell["reason"].endswith(" % of the bytes, rxe0:1 0 %")
    assert cell["fabric"] == cell["evidence"]["fabric"] == "tcp" and cell["id"].endswith(" fabric=roce")


def test_the_fabric_alone_takes_verbs_and_is_proven(lab, load_result, wiremark):
    end, cell = run(lab, load_result, wiremark, "--fabric", "roce", "--require-proven")
    assert end.rc == 0, end.output
    assert cell["transport"] == "verbs" and cell["fabric"] == "roce" and cell["evidence"]["verdict"] == "proven", cell


def test_a_card_by_name(lab, load_result, wiremark):
    end, cell = run(lab, load_result, wiremark, "--nic", "rxe0", "--transport", "verbs", "--require-proven")
    assert end.rc == 0 and cell["evidence"]["verdict"] == "proven", end.output
