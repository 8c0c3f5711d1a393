"""The verbs transport over real packets between two guests; data are verified in every cell."""
import uuid


def measured(lab, load_result, wiremark, *words, ranks_per_node=1, status=0):
    """A run of the verbs transport: (how it ended, its result)."""
    output = lab.share / f"{uuid.uuid4().hex}.json"
    end = lab.mpirun(ranks_per_node, wiremark, "run", *words, "--transport", "verbs", "--cell-time", "50ms", "--window", "4",
                     "--timeout", "20s", "--output", output)
    assert end.rc == status, end.output
    return end, load_result(output)


def verified(result):
    cells = result["cells"]
    assert cells and all(cell["status"] == "measured" for cell in cells), [(c["id"], c["status"], c.get("reason")) for c in cells]
    assert all(cell["verify"]["checked_bytes"] > 0 and cell["verify"]["wrong_elements"] == 0 for cell in cells)
    return cells


def test_messages_of_all_kinds_cross_the_fabric(lab, load_result, wiremark):
    before = lab.packets("node1")
    _, result = measured(lab, load_result, wiremark, "latency", "bandwidth", "--bytes", "8,4K,4097,1M")
    assert len(verified(result)) == 8
    assert lab.packets("node1") - before > 2 * (1 << 20) // 4096


def test_puts_and_gets(lab, load_result, wiremark):
    _, result = measured(lab, load_result, wiremark, "put-latency", "put-bandwidth", "get-latency", "get-bandwidth",
                         "--bytes", "8,256K")
    assert len(verified(result)) == 8
