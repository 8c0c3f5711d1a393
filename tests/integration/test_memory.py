"""Memory kinds of GPUs as wiremark list shows them: without a driver, and with a stand-in (tests/preload/cuda.c)."""
import ctypes
import os
import pathlib
import re
import subprocess

import pytest

STAND_IN = pathlib.Path(os.environ.get("BUILD", "build")).resolve() / "tests" / "preload" / "cuda.so"


@pytest.fixture
def memory(wiremark, tmp_path):
    """The lines of `list` by memory kind; settings are variables of the environment."""
    def look(**settings):
        environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
        text = subprocess.run([wiremark, "list"], capture_output=True, text=True, timeout=60, check=True,
                              env={**environment, **settings}).stdout
        section = re.search(r"^memory\n(.*?)\n\n", text, re.M | re.S)[1]
        return dict(re.findall(r"^  (\w+) +(.*)$", section, re.M))
    return look


@pytest.fixture
def stand_in(memory, tmp_path):
    if "not built in" in memory()["device"]:
        pytest.skip("this wiremark was built without CUDA")
    if not STAND_IN.exists():
        pytest.skip(f"{STAND_IN} is not built")
    (tmp_path / "libcuda.so.1").symlink_to(STAND_IN)
    return lambda **settings: memory(LD_LIBRARY_PATH=str(tmp_path), **settings)


def test_kinds_that_are_not_built_in_say_what_they_need(memory):
    lines = memory()
    assert list(lines)[:4] == ["host", "pinned", "device", "managed"]
    if "not built in" not in lines["device"]:
        pytest.skip("this wiremark was built with CUDA")
    assert {lines[kind] for kind in ("pinned", "device", "managed")} == {
        "not built in: needs the CUDA toolkit (make CUDA_HOME=DIR)"}


def has_driver():
    try:
        return ctypes.CDLL("libcuda.so.1") is not None
    except OSError:
        return False


@pytest.mark.skipif(has_driver(), reason="this machine has a driver")
def test_a_node_without_a_driver_says_so(memory):
    lines = memory()
    for kind in ("pinned", "device", "managed"):
        assert "not usable here: no NVIDIA driver: libcuda.so.1: cannot open" in lines[kind] or \
            "not built in" in lines[kind]


def test_with_a_driver_all_kinds_are_usable(stand_in):
    lines = stand_in()
    assert lines["pinned"] == "memory of the node, page-locked for the GPU"
    assert lines["device"] == "memory of the GPU"
    assert lines["managed"].endswith("kept on the GPU")


@pytest.mark.parametrize("settings, kinds, reason", [
    ({"WM_CUDA_DEVICES": "0"}, "pinned device managed", "no GPU can be seen: see nvidia-smi -L"),
    ({"CUDA_VISIBLE_DEVICES": ""}, "pinned device managed", 'no GPU can be seen: CUDA_VISIBLE_DEVICES is ""'),
    ({"WM_CUDA_VERSION": "11080"}, "pinned device managed", "the NVIDIA driver serves CUDA 11.8 at most, and this wiremark"),
    ({"WM_CUDA_FAIL": "cuInit=802"}, "pinned device managed", "the NVLink switches are not set up"),
    ({"WM_CUDA_UNMANAGED": "1"}, "managed", "GPU 0 (Stand-in 0) has no managed memory"),
])
def test_what_is_missing_is_said(stand_in, settings, kinds, reason):
    lines = stand_in(**settings)
    for kind in ("pinned", "device", "managed"):
        assert (reason in lines[kind]) == (kind in kinds.split()), lines


def test_the_driver_s_own_words_are_shown(stand_in):
    assert "(cuInit: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure)" in stand_in(WM_CUDA_FAIL="cuInit=719")["device"]


# ---- measuring: the stand-in's devices are no GPUs, and what is measured on them is nothing but that it works ----

@pytest.fixture
def run(stand_in, wiremark, mpirun, tmp_path):
    def go(*words, **settings):
        return mpirun(2, wiremark, "run", *words, "--cell-time", "1ms", "--min-samples", "12", "--format", "none", "--output",
                      "r.json", "--force", env={"LD_LIBRARY_PATH": str(tmp_path), **settings})
    return go


@pytest.mark.slow
def test_gpu_memory_is_measured_by_every_path_that_there_is(run, load_result, tmp_path):
    end = run("latency", "bandwidth", "allreduce", "--algo", "allreduce:native,allreduce:ring", "--mem",
              "device,managed,device:host,pinned", "--path", "direct,staged,pipelined", "--chunk", "4K", "--bytes", "8,20K")
    assert end.rc == 3, end.output
    cells = load_result(tmp_path / "r.json")["cells"]
    for cell in cells:
        if cell["path"] == "direct":
            assert cell["status"] == "skipped" and "is not CUDA-aware, and cannot be handed" in cell["reason"], cell
        else:
            assert cell["status"] == "measured" and cell["verify"]["wrong_elements"] == 0, (cell["id"], cell.get("reason"))
    assert all(cell["simulated"] for cell in cells)
    assert {(cell["mem"], cell["path"]) for cell in cells if cell["status"] == "measured"} == {
        ("pinned", "host"), *((mem, path) for mem in ("device", "managed", "device:host") for path in ("staged", "pipelined"))}


@pytest.mark.parametrize("words, settings, status, reason", [
    (["--gpu", "7"], {}, 3, "--mem device: "),
    (["--gpu", "no-such-word"], {}, 2, "--mem device: "),
    ([], {"WM_CUDA_DEVICES": "0"}, 3, "--mem device: no GPU can be seen"),
])
def test_a_gpu_that_cannot_be_used_is_one_error(run, tmp_path, words, settings, status, reason):
    end = run("latency", "--mem", "device", "--path", "staged", *words, "--bytes", "8", **settings)
    lines = [line for line in end.stderr.splitlines() if line.startswith("wiremark:")]
    assert end.rc == status and len(lines) == 1 and lines[0].startswith("wiremark: " + reason), end.output
    assert not (tmp_path / "r.json").exists()


def test_memory_of_a_gpu_that_is_full_costs_its_cells(run, load_result, tmp_path):
    end = run("latency", "--mem", "host,device", "--path", "staged", "--bytes", "1M", WM_CUDA_FREE="4096")
    cells = {cell["mem"]: cell for cell in load_result(tmp_path / "r.json")["cells"]}
    assert cells["host"]["status"] == "measured" and end.rc != 0, end.output
    assert cells["device"]["status"] != "measured" and "memory" in cells["device"]["reason"], cells["device"]


@pytest.mark.slow
def test_a_device_that_is_lost_in_mid_run_is_what_is_told_first(run, load_result, tmp_path):
    """Its peer stands in a blocking receive, as a user's would: the run ends."""
    end = run("latency", "--mem", "device", "--path", "staged", "--bytes", "8", "--timeout", "2s",
              WM_CUDA_FAIL="cuMemcpyAsync=999@40")
    assert end.rc == 124 and "a copy or reduction of GPU 0 failed" in end.stderr, end.output
    cell = load_result(tmp_path / "r.json")["cells"][0]
    assert cell["status"] == "timeout" and "cuMemcpyAsync" in cell["reason"], cell


def test_gpu_without_gpu_memory_has_no_effect(wiremark, mpirun):
    end = mpirun(2, wiremark, "run", "latency", "--gpu", "0", "--bytes", "8")
    assert end.rc == 2 and "--gpu has no effect: --mem names no memory of a GPU" in end.stderr


def test_ways_to_register_gpu_memory_are_arms(stand_in, wiremark, tmp_path):
    listing = subprocess.run([wiremark, "list"], capture_output=True, text=True, timeout=60, check=True).stdout
    if re.search(r"^  verbs +not built in", listing, re.M):
        pytest.skip("this wiremark was built without verbs")
    end = subprocess.run([wiremark, "plan", "latency", "--transport", "verbs", "--mem", "device", "--gdr", "dmabuf,peermem",
                          "--bytes", "8"], capture_output=True, text=True, timeout=60,
                         env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)})
    assert "ping-pong  gdr=dmabuf\n" in end.stdout and "ping-pong  gdr=peermem\n" in end.stdout, end


# ---- GPU memory handed to libfabric, by a provider that takes it in name (tests/preload/hmem.c) ----

@pytest.fixture
def direct(wiremark, mpirun, preload, stand_in, tmp_path):
    """direct(*words, **variables): a run over provider shm, which takes the stand-in's memory."""
    if not re.search(r"^ +usable here: .*shm", subprocess.run([wiremark, "list"], capture_output=True, text=True, timeout=60,
                                                            check=True).stdout, re.M):
        pytest.skip("there is no provider shm")

    def go(*words, **variables):
        settings = {"LD_LIBRARY_PATH": tmp_path, "LD_PRELOAD": preload("hmem"), "WM_CUDA_PLAIN": 1, **variables}
        return mpirun(2, "env", *(f"{name}={value}" for name, value in settings.items()), wiremark, "run", *words,
                      "--transport", "ofi", "--provider", "shm", "--cell-time", "1ms", "--min-samples",
                      "12", "--format", "table", "--output", "r.json")
    return go


@pytest.mark.parametrize("ordering, says", [(0, "flushed by cuFlushGPUDirectRDMAWrites"), (100, "in order without a flush")])
@pytest.mark.slow
def test_gpu_memory_is_handed_to_a_provider_that_takes_it(direct, load_result, tmp_path, ordering, says):
    end = direct("latency", "bandwidth", "put-latency", "get-latency", "allreduce", "--algo", "allreduce:ring", "--window", "8", "--mem",
                 "host,device", "--bytes", "8,20K", WM_CUDA_ORDERING=ordering)
    assert end.rc == 0, end.output
    for cell in load_result(tmp_path / "r.json")["cells"]:
        assert cell["status"] == "measured" and cell["verify"]["wrong_elements"] == 0, cell
        assert ("noflush_ns" in cell) == (cell["path"] == "direct" and ordering == 0), cell["id"]
        if cell["path"] == "direct":
            assert cell["evidence"]["claims"][0]["how"].endswith("; GPU memory by FI_HMEM, peer to peer, " + says), cell
        else:
            assert "evidence" not in cell
    assert (" without the flush" in end.stdout) == (ordering == 0), end.output


def test_a_flush_that_fails_is_told_and_costs_the_arm(direct, load_result, tmp_path):
    end = direct("get-latency", "--mem", "device", "--bytes", "8", WM_CUDA_FAIL="cuFlushGPUDirectRDMAWrites=719")
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert end.rc == 1 and cell["status"] == "failed", end.output
    assert "what a card wrote into GPU 0 cannot be made visible to it" in cell["reason"]
    assert "(cuFlushGPUDirectRDMAWrites: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure)" in cell["reason"]


@pytest.mark.parametrize("variables, reason", [
    ({"LD_PRELOAD": ""}, "provider shm offers no memory of GPUs (FI_HMEM) (fi_getinfo: No data available)"),
    ({"WM_HMEM_REFUSES": "regattr"}, "provider shm refuses 64 bytes of GPU 0"),
    pytest.param({"WM_HMEM_REFUSES": "setopt"}, "provider shm does not promise to leave the host out (FI_HMEM_P2P_REQUIRED) "
                 "(fi_setopt: Operation not supported)", marks=pytest.mark.slow),
    pytest.param({"mem": "managed"}, "managed memory moves between GPU and node, and no card can be given it: use --mem device",
                 marks=pytest.mark.slow),
])
def test_gpu_memory_that_is_refused_costs_its_direct_cells_alone(direct, load_result, tmp_path, variables, reason):
    mem = variables.get("mem", "device")
    end = direct("latency", "--mem", f"host,{mem}", "--path", "direct,staged", "--bytes", "8",
                 **{name: value for name, value in variables.items() if name != "mem"})
    cells = {(cell["mem"], cell["path"]): cell for cell in load_result(tmp_path / "r.json")["cells"]}
    assert end.rc == 3, end.output
    assert cells[mem, "direct"]["status"] == "skipped" and reason in cells[mem, "direct"]["reason"], cells[mem, "direct"]
    assert cells[mem, "staged"]["status"] == cells["host", "host"]["status"] == "measured"
