"""Transport nccl without a GPU: NCCL's stand-in (tests/preload/nccl.c) on memory of the driver's (tests/preload/cuda.c).
What is measured there is nothing but that it works."""
import os
import pathlib
import subprocess

import pytest

import launch

NO_MOUNTS = launch.no_name_spaces("-m")
PRELOAD = pathlib.Path(os.environ.get("BUILD", "build")).resolve() / "tests" / "preload"
OLD = ["--nccl-lib", PRELOAD / "nccl_old.so"]  # NCCL 2.15
V3 = ["--nccl-lib", PRELOAD / "nccl_v3.so"]  # 2.26
V4 = ["--nccl-lib", PRELOAD / "nccl_v4.so"]  # 2.27
NATIVE = ["allreduce", "reduce", "broadcast", "allgather", "reduce-scatter", "gather", "scatter", "alltoall", "alltoallv"]


def environment(folder, settings):
    keep = {key: value for key, value in os.environ.items() if not key.startswith("NCCL_") and key != "CUDA_VISIBLE_DEVICES"}
    return {**keep, "LD_LIBRARY_PATH": str(folder), **settings}


@pytest.fixture
def folder(wiremark, tmp_path):
    if "nccl            not built in" in subprocess.run([wiremark, "list"], capture_output=True, text=True, timeout=60,
                                                          check=True).stdout:
        pytest.skip("this wiremark was built without CUDA")
    for name, library in (("libcuda.so.1", "cuda.so"), ("libnccl.so.2", "nccl.so")):
        if not (PRELOAD / library).exists():
            pytest.skip(f"{PRELOAD / library} is not built")
        (tmp_path / "lib").mkdir(exist_ok=True)
        (tmp_path / "lib" / name).symlink_to(PRELOAD / library)
    return tmp_path / "lib"


@pytest.fixture
def run(folder, wiremark, mpirun):
    def go(*words, ranks=2, **settings):
        return mpirun(ranks, wiremark, "run", *words, "--cell-time", "1ms", "--min-samples", "12", "--format", "none",
                      "--progress", "off", "--output", "r.json", "--force", env=environment(folder, settings))
    return go


@pytest.fixture
def cells(run, load_result, tmp_path):
    """The cells of a run that ends with `status`."""
    def go(*words, status=0, **settings):
        end = run(*words, **settings)
        assert end.rc == status, end.output
        return load_result(tmp_path / "r.json")["cells"]
    return go


def right(found):
    return [cell["id"] for cell in found if cell["status"] != "measured" or cell["verify"]["wrong_elements"] != 0] == []


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("library", [[], OLD], ids=["new", "old"])
def test_every_collective_arrives_whole(cells, ranks, library):
    found = cells(*NATIVE, "--transport", "nccl", *library, "--bytes", "12,1K", "--root", "1", ranks=ranks)
    assert right(found) and {cell["bench"] for cell in found} == set(NATIVE)
    assert {cell["mem"] for cell in found} == {"device"}


def test_one_rank_alone_has_nccl_s_collectives_and_no_bus(cells, run):
    found = cells(*NATIVE, "--transport", "nccl", "--bytes", "1K", ranks=1)
    assert right(found) and len(found) == len(NATIVE)
    assert all("bus_bytes_per_s" not in cell["bandwidth"] for cell in found)
    for words in (["fan-in", "--transport", "nccl"], ["allreduce", "--transport", "nccl,mpi"]):
        end = run(*words, "--bytes", "1K", ranks=1)
        assert end.rc == 2 and "needs 2 ranks and this run has 1" in end.output


def test_an_all_reduce_is_verified_and_has_the_device_s_time(cells):
    cell, = cells("allreduce", "--transport", "nccl", "--bytes", "4K")
    assert right([cell]) and cell["verify"]["checked_bytes"] > 0
    assert cell["device_time_ns"] > 0 and cell["path"] == "direct" and cell["transport"] == "nccl"
    assert cell["provider"] == "Socket"


@pytest.mark.slow
def test_every_type_and_operator(cells):
    found = cells("allreduce", "--transport", "nccl", "--dtype",
                  "int8,int32,int64,float,double,half,bfloat16", "--op", "sum,min,max,prod", "--bytes", "1K")
    assert right(found) and len(found) == 7 * 4


def test_in_place_where_nccl_has_it(cells):
    found = {cell["bench"]: cell for cell in cells(*NATIVE[:2], "allgather", "gather", "scatter", "reduce-scatter", "alltoall",
                                                   "--transport", "nccl", "--in-place", "--bytes", "1K", status=3)}
    assert "in the rank's own block, where MPI has it at the front" in found.pop("reduce-scatter")["reason"]
    assert "NCCL has no all-to-all in place" in found.pop("alltoall")["reason"]
    assert right(found.values())


def test_messages_go_in_groups(cells):
    found = cells("latency", "bandwidth", "--transport", "nccl", "--window", "8", "--bytes", "8,4K")
    assert right(found) and len(found) == 4


def test_schedules_that_post_ahead_are_refused(cells):
    window, phases = cells("bibandwidth", "--transport", "nccl", "--algo", "window,phases", "--window", "4", "--bytes", "8",
                           status=3)
    assert window["status"] == "skipped" and "ends what was posted together only" in window["reason"]
    assert right([phases])


@pytest.mark.slow
def test_composed_algorithms_are_right_or_refused(cells):
    found = cells("allreduce", "alltoall", "broadcast", "--algo", "all", "--transport", "nccl", "--bytes", "8,4K", ranks=3,
                  status=3)
    measured = [cell for cell in found if cell["status"] == "measured"]
    assert right(measured) and {cell["algo"] for cell in measured} > {"native"}
    for cell in found:
        assert cell["status"] == "measured" or "ends what was posted together only" in cell["reason"], cell


# ---- settings that are arms ----

def test_gpudirect_on_and_off_alternate_in_one_run(cells):
    temporary = pathlib.Path(os.environ.get("TMPDIR", "/tmp"))
    before = set(temporary.glob("wiremark-nccl-*"))
    on, off = cells("allreduce", "--transport", "nccl", "--nccl-gdr", "on,off", "--bytes", "1K")
    assert set(temporary.glob("wiremark-nccl-*")) <= before
    assert on["settings"] == {"nccl-gdr": "on"} and off["settings"] == {"nccl-gdr": "off"}
    assert off["id"].endswith(" nccl-gdr=off")
    for cell, share in ((on, "1 of 1"), (off, "0 of 1")):
        claim, = cell["evidence"]["claims"]
        assert claim["how"] == f"NCCL 2.28.9, 1 channel, GPUDirect RDMA on {share} connections by network"


def test_the_comparison_of_arms_is_named_by_what_differs(cells, load_result, tmp_path):
    cells("allreduce", "--transport", "nccl", "--enqueue", "1,4", "--bytes", "1K")
    comparison, = load_result(tmp_path / "r.json")["comparisons"]
    assert comparison["varies"] == ["enqueue"] and comparison["interleaved"]


@pytest.mark.slow
def test_enqueued_replayed_and_registered(cells):
    found = cells("allreduce", "alltoall", "--transport", "nccl", "--enqueue", "1,4", "--nccl-graph", "off,on",
                  "--nccl-register", "off,on", "--bytes", "1K")
    assert right(found) and len({cell["id"] for cell in found}) == 16
    assert {tuple(cell.get("settings", {}).items()) for cell in found} >= {
        (), (("enqueue", "4"),), (("enqueue", "4"), ("nccl-graph", "on"), ("nccl-register", "on"))}


def test_in_place_is_right_after_many_and_from_a_graph(cells):
    assert right(cells("allreduce", "--transport", "nccl", "--in-place", "--enqueue", "3", "--nccl-graph", "off,on",
                       "--bytes", "1K"))


def test_messages_are_not_enqueued(cells):
    cell, = cells("latency", "--transport", "nccl", "--enqueue", "2", "--bytes", "8", status=3)
    assert "--enqueue is for NCCL's own collectives; messages are enqueued together by --window" in cell["reason"]


# ---- how NCCL chose to do it: algorithm, protocol, channels ----

def heard(cell):
    return tuple(cell["evidence"].get(key) for key in ("algorithm", "protocol", "channels"))


@pytest.mark.parametrize("library, small, large", [
    ([], ("TREE", "LL", 1), ("RING", "SIMPLE", 4)),
    (V4, ("TREE", "LL", 1), ("RING", "SIMPLE", 4)),
    (V3, ("TREE", "LL", None), ("RING", "SIMPLE", None)),
    (OLD, (None, None, None), (None, None, None)),
], ids=["2.28", "2.27", "2.26", "2.15"])
def test_each_cell_says_how_nccl_did_it(cells, library, small, large):
    assert [heard(cell) for cell in cells("allreduce", "--transport", "nccl", *library, "--bytes", "1K,256K", "--verify", "off")] \
        == [small, large]


def test_messages_have_channels_alone(cells):
    cell, = cells("latency", "--transport", "nccl", "--bytes", "1K")
    assert heard(cell) == (None, None, 2)


def test_copies_graphs_and_queues_are_heard_each(cells):
    found = cells("allreduce", "--transport", "nccl", "--nccl-gdr", "on,off", "--nccl-graph", "off,on", "--enqueue", "1,4",
                  "--bytes", "1K")
    assert right(found) and [heard(cell) for cell in found] == 8 * [("TREE", "LL", 1)]


@pytest.mark.parametrize("words, of_cells", [
    (["--bytes", "1K,256K"], 2), (["--bytes", "1K", "--enqueue", "4"], 4), (["--bytes", "1K", "--nccl-graph", "on"], 1)])
def test_nccl_tells_of_one_untimed_operation_and_never_of_timed_ones(cells, tmp_path, words, of_cells):
    told = tmp_path / "told"
    cells("allreduce", "--transport", "nccl", *words, WM_NCCL_TOLD=str(told))
    counts = [[int(word) for word in line.split()] for line in told.read_text().splitlines()]
    assert sorted(count for count in counts if count[1] == 1) == [[0, 1, 0], [1, 1, 0]], counts  # connected, then split from
    counts = [count for count in counts if count[1] > 1]
    assert sorted(rank for rank, _, _ in counts) == [0, 1]
    for _, enqueued, of_them in counts:
        assert of_them == of_cells and enqueued > of_cells + 1, counts


@pytest.mark.parametrize("own", ["none", "libm.so.6"])
def test_a_profiler_of_the_user_s_is_left_alone(cells, own):
    cell, = cells("allreduce", "--transport", "nccl", "--bytes", "1K", NCCL_PROFILER_PLUGIN=own)
    assert right([cell]) and heard(cell) == (None, None, None)


def test_the_table_notes_it(folder, wiremark, mpirun):
    end = mpirun(2, wiremark, "run", "allreduce", "--transport", "nccl", "--bytes", "256K", "--cell-time", "1ms",
                 "--min-samples", "12", "--output", "none", env=environment(folder, {}))
    assert end.rc == 0 and "RING SIMPLE, 4 channels" in end.stdout, end.output


# ---- words that cannot be ----

@pytest.mark.parametrize("words, settings, message", [
    (["--mem", "host"], {}, "--transport nccl moves memory of GPUs alone: take --mem device"),
    (["--path", "staged"], {}, "--transport nccl moves memory of GPUs alone, without a detour: take --path direct, too"),
    (["--nccl-net", "Socket"], {"NCCL_NET": "IB"}, "--nccl-net Socket: NCCL_NET in the environment says IB"),
    (["--enqueue", "0"], {}, "--enqueue"),
    (["--enqueue", "2,2"], {}, "--enqueue: 2 is named twice"),
    (["--nccl-gdr", "perhaps"], {}, "--nccl-gdr"),
])
def test_words_that_cannot_be(run, tmp_path, words, settings, message):
    end = run("allreduce", "--transport", "nccl", "--bytes", "8", *words, **settings)
    lines = [line for line in end.stderr.splitlines() if line.startswith("wiremark:")]
    assert end.rc == 2 and len(lines) == 1 and message in lines[0], end.output
    assert not (tmp_path / "r.json").exists()


def test_options_without_the_transport_have_no_effect(run):
    end = run("allreduce", "--enqueue", "2", "--bytes", "8")
    assert end.rc == 2 and "--enqueue has no effect without --transport nccl" in end.stderr


# ---- faults ----

@pytest.mark.parametrize("words, settings, reason", [
    (["--nccl-net", "IB"], {}, "network IB not found"),
    ([], {"WM_NCCL_FAIL": "init=5"}, "Duplicate GPU detected : rank 1 and rank 0 both on CUDA device a1000"),
    (["--open-timeout", "1s"], {"WM_NCCL_FAIL": "init=hang"}, "NCCL did not connect the ranks within --open-timeout"),
    (["--open-timeout", "1s"], {"WM_NCCL_FAIL": "connect=hang"}, "the deadline passed before NCCL had begun an operation"),
    (["--nccl-lib", "/nowhere/nccl.so"], {}, "no NCCL: /nowhere/nccl.so: cannot open shared object file"),
    ([*OLD, "--nccl-net", "Socket"], {}, "NCCL 2.15.6 does not let itself be told its network, 2.17 and newer do"),
    (["--nccl-register", "on"], {"NCCL_LOCAL_REGISTER": "0"}, "NCCL registers nothing here: see NCCL_LOCAL_REGISTER"),
    ([*OLD, "--nccl-register", "on"], {}, "NCCL 2.15.6 registers no buffers, 2.19 and newer do"),
])
def test_what_cannot_be_opened_says_why(cells, words, settings, reason):
    cell, = cells("allreduce", "--transport", "nccl", "--bytes", "8", *words, status=3, **settings)
    assert cell["status"] in ("skipped", "not_run") and reason in cell["reason"], cell


def test_no_room_for_a_copy_costs_its_arm_alone(folder, wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, "env", "TMPDIR=/proc/none", wiremark, "run", "allreduce", "--transport", "nccl", "--nccl-gdr", "default,off",
                 "--bytes", "8", "--cell-time", "1ms", "--min-samples", "12", "--format", "none", "--output", "r.json",
                 env=environment(folder, {}))
    usual, off = load_result(tmp_path / "r.json")["cells"]
    assert end.rc == 3 and right([usual]), end.output
    assert off["status"] == "skipped" and "no copy of NCCL can be made for --nccl-gdr in /proc/none" in off["reason"]


@pytest.mark.skipif(bool(NO_MOUNTS), reason=f"no mounts of its own: {NO_MOUNTS}")
def test_a_copy_is_not_made_where_nothing_may_be_loaded(folder, wiremark, mpirun, load_result, tmp_path):
    place = tmp_path / "noexec"
    place.mkdir()
    end = mpirun(1, "unshare", "-m", "sh", "-c", 'mount -t tmpfs -o noexec none "$0" && exec env TMPDIR="$0" "$@"', place,
                 wiremark, "run", "allreduce", "--transport", "nccl", "--nccl-gdr", "off", "--bytes", "8",
                 "--cell-time", "1ms", "--min-samples", "12", "--format", "none", "--output", "r.json",
                 env=environment(folder, {}))
    if end.rc != 3 and "mount" in end.stderr:
        pytest.skip(end.stderr)
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert f"no copy of NCCL can be made for --nccl-gdr in {place}: it is mounted noexec" in cell["reason"], end.output


def test_the_network_s_name_is_as_nccl_reads_it(cells):
    cell, = cells("allreduce", "--transport", "nccl", "--nccl-net", "socket", "--bytes", "8")
    assert cell["settings"] == {"nccl-net": "socket"}


def test_an_error_in_the_background_is_the_cell_s(cells):
    first, second = cells("allreduce", "--transport", "nccl", "--bytes", "8,16", status=1, WM_NCCL_FAIL="async=20")
    assert first["status"] == "failed" and "NET/Socket : peer 127.0.0.1<4711> has gone" in first["reason"], first
    assert "ncclCommGetAsyncError: remote process exited" in first["reason"]
    assert second["status"] == "not_run"


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], ["--nccl-graph", "on"]], ids=["calls", "graph"])
def test_an_operation_without_end_costs_its_arm_alone(cells, words):
    found = cells("allreduce", "--transport", "nccl", "--timeout", "1s", "--bytes", "8,16", *words, status=124,
                  WM_NCCL_FAIL="stop=20")
    assert [cell["status"] for cell in found] == ["timeout", "not_run"]
    assert "the deadline passed while" in found[0]["reason"]


def test_a_lost_gpu_is_told(cells):
    cell, = cells("allreduce", "--transport", "nccl", "--bytes", "8", status=1, WM_CUDA_FAIL="cuEventRecord=719@40")
    assert cell["status"] == "failed" and "the GPU may be lost: dmesg | grep Xid says why" in cell["reason"], cell


# ---- list ----

def test_list_says_what_there_is(folder, wiremark, tmp_path):
    def line(**settings):
        text = subprocess.run([wiremark, "list"], capture_output=True, text=True, timeout=60, check=True,
                              env=environment(folder, settings)).stdout
        return next(line for line in text.splitlines() if line.startswith("  nccl "))
    assert line() == "  nccl            NVIDIA's NCCL between GPUs (NCCL 2.28.9)"
    assert "not usable here: no GPU can be seen" in line(WM_CUDA_DEVICES="0")
    (folder / "libnccl.so.2").unlink()
    (folder / "libnccl.so.2").write_text("no library")
    assert "not usable here: no NCCL: " in line() and "name it with --nccl-lib PATH" in line()
