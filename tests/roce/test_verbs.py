"""The verbs transport over real packets between two guests; data are verified in every cell, the way is proven."""
import os

import launch

CLOCK_NANOSLEEP = 230  # its number on x86_64


def verified(result, cells):
    got = result["cells"]
    assert len(got) == cells and all(cell["status"] == "measured" for cell in got), \
        [(cell["id"], cell["status"], cell.get("reason")) for cell in got]
    assert all(cell["verify"]["checked_bytes"] > 0 and cell["verify"]["wrong_elements"] == 0 for cell in got)
    return got


def proven_by_rxe(cells):
    for cell in cells:
        evidence = cell["evidence"]
        assert (evidence["verdict"], evidence.get("fabric")) == ("proven", "roce"), (cell["id"], evidence)
        assert {claim["device"] for claim in evidence["claims"]} == {"rxe0:1"}
        moved = [c for c in evidence["counters"] if c["device"] == "rxe0:1"]
        assert moved and all(c["unit"] == "packets" and c["sent"] + c["received"] > 0 for c in moved), evidence


def test_messages_puts_and_gets_of_all_kinds_cross_the_fabric(lab, measure):
    before = lab.counter("node1", "sent_pkts")
    _, result = measure("latency", "bandwidth", "put-latency", "put-bandwidth", "get-latency", "get-bandwidth",
                        "--bytes", "8,4K,4097,256K", "--window", "4")
    proven_by_rxe(verified(result, 24))
    assert lab.counter("node1", "sent_pkts") - before > 24 * (256 << 10) // 4096


def test_large_messages_cross_in_pieces_of_the_window(measure):
    _, result = measure("bandwidth", "--bytes", "1M", "--window", "8", "--qps", "2", "--tx-depth", "2")
    proven_by_rxe(verified(result, 1))


def test_composed_collectives_of_four_ranks(measure):
    _, result = measure("allreduce", "alltoall", "broadcast", "--bytes", "1K,64K", "--algo",
                        "ring,rabenseifner,pairwise,bruck,binomial,scatter-allgather", ranks=(2, 2))
    assert {(cell["bench"], cell["ranks"]) for cell in result["cells"]} == \
        {("allreduce", 4), ("alltoall", 4), ("broadcast", 4)}
    proven_by_rxe(verified(result, 12))


def test_a_rank_count_that_is_no_power_of_two(measure):
    _, result = measure("allreduce", "alltoall", "broadcast", "--bytes", "4100", "--algo",
                        "recursive-doubling,bruck,linear,chain", ranks=(2, 1))
    proven_by_rxe(verified(result, 4))


def test_device_memory_takes_every_path(measure):
    """The card is handed the memory of the simulated device, or the host's on a detour."""
    _, result = measure("latency", "allreduce", "--algo", "allreduce:ring", "--mem", "simulated", "--path",
                        "direct,staged,pipelined", "--chunk", "4K", "--slots", "2", "--bytes", "8,9000")
    cells = verified(result, 12)
    assert {cell["path"] for cell in cells} == {"direct", "staged", "pipelined"}
    assert all(cell["simulated"] and cell["mem"] == "simulated" for cell in cells)
    proven_by_rxe(cells)


def test_the_target_of_puts_sleeps_while_the_card_is_written_to(lab, wiremark):
    """Its processor is the card's here."""
    watch = "until pid=$(pgrep -x wiremark); do sleep 0.1; done; while cat /proc/$pid/syscall 2>/dev/null; do sleep 0.1; done"
    watcher = lab.start("node2", "sh", "-c", watch)
    end = lab.mpirun(wiremark, "run", "put-bandwidth", "--bytes", "64K", "--window", "8", "--transport", "verbs", "--cell-time",
                     "3s", "--format", "none", "--output", lab.new_result())
    assert end.rc == 0, end.output
    calls = [line.split()[0] for line in watcher.finish(30).stdout.splitlines()]
    assert calls.count(str(CLOCK_NANOSLEEP)) >= 5, calls


def test_every_operation_between_real_ranks(lab):
    check = launch.ROOT / os.environ.get("BUILD", "build") / "tests/mpi/transport_check"
    end = lab.mpirun(check, "verbs")
    assert end.rc == 0 and " passed, 0 failed, 0 skipped" in end.stdout, end.output
