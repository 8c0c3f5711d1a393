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
        "not built in: needs the CUDA toolkit when wiremark is built (make CUDA_HOME=DIR)"}


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
