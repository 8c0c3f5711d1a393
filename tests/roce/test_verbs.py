"""The verbs transport over real packets between two guests; data are verified in every cell, the way is proven."""
import os
import pathlib
import shutil
import subprocess

import pytest

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


@pytest.fixture
def stand_in(lab, wiremark):
    """stand_in(**variables): those of a run with the driver that has no GPU, on both nodes."""
    preload = pathlib.Path(wiremark).parent / "tests/preload"
    if "needs the CUDA toolkit" in subprocess.run([wiremark, "list"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("this wiremark was built without CUDA")
    (lab.share / "libcuda.so.1").unlink(missing_ok=True)
    shutil.copy(preload / "cuda.so", lab.share / "libcuda.so.1")
    return lambda **variables: {"LD_LIBRARY_PATH": lab.share, "WM_CUDA_PLAIN": 1, **variables}


@pytest.mark.parametrize("options, says", [(1, "flushed by cuFlushGPUDirectRDMAWrites"), (0, "flushed by a READ of the card itself")])
def test_gpu_memory_is_handed_to_a_card_that_takes_it(measure, wiremark, stand_in, options, says):
    """In name: rxe is given the host's memory at the stand-in's addresses. The flushes are real."""
    preload = pathlib.Path(wiremark).parent / "tests/preload/dmabuf.so"
    _, result = measure("latency", "put-latency", "get-latency", "--mem", "device", "--gdr", "dmabuf", "--bytes", "9000",
                        variables=stand_in(LD_PRELOAD=preload, WM_CUDA_FLUSH_OPTIONS=options))
    cells = verified(result, 3)
    assert all(cell["path"] == "direct" and cell["noflush_ns"] > 0 for cell in cells)
    for cell in cells:
        assert all(claim["how"].endswith("; GPU memory by dma-buf, " + says) for claim in cell["evidence"]["claims"]), cell
    proven_by_rxe(cells)


def test_gpu_memory_that_the_card_does_not_take_costs_its_direct_cells_alone(measure, stand_in):
    _, result = measure("latency", "--mem", "host,device", "--path", "direct,staged", "--bytes", "8", status=3,
                        variables=stand_in())
    cells = {(cell["mem"], cell["path"]): cell for cell in result["cells"]}
    assert cells["host", "host"]["status"] == cells["device", "staged"]["status"] == "measured"
    assert cells["device", "direct"]["status"] == "skipped"
    assert "no GPU memory: dma-buf: rxe0:1 takes none (ibv_reg_dmabuf_mr: Operation not supported); peermem: no module " \
        "nvidia_peermem" in cells["device", "direct"]["reason"]


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
