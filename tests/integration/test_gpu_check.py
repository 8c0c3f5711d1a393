"""scripts/gpu-check: what it says without a GPU, and that what fails, is skipped or passes is counted as that. The stand-in
for the driver (tests/preload/cuda.c) has memory and copies; no figure of these runs means anything."""
import json
import os
import pathlib
import re
import subprocess

import pytest

import launch

BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
STEPS = "@(list|doctor|cuda_test|memory-pinned|memory-device|versus-copy-h2d|strict-mpi-direct|strict-gpu-index)"


@pytest.fixture
def check(tmp_path):
    def run(*words, **settings):
        environment = {**os.environ, "BUILD": str(BUILD), "COMPUTE_SANITIZER": "no", **settings}
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        return launch.run([launch.ROOT / "scripts/gpu-check", *words], 300, cwd=tmp_path, env=environment)
    return run


@pytest.fixture
def stand_in(check, wiremark, tmp_path):
    """check() with a driver that is none."""
    if "not built in" in subprocess.run([wiremark, "list"], capture_output=True, text=True).stdout.split("\n  device ")[1].split("\n")[0]:
        pytest.skip("this wiremark was built without CUDA")
    driver = tmp_path / "driver"
    driver.mkdir()
    (driver / "libcuda.so.1").symlink_to(BUILD / "tests/preload/cuda.so")
    return lambda *words, **settings: check("--out", tmp_path / "out", *words, LD_LIBRARY_PATH=str(driver), **settings)


def steps(end):
    return {line.split()[1]: line.split()[0] for line in end.stdout.splitlines() if line[:4] in ("pass", "fail", "skip")}


@pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="this machine has a GPU")
def test_without_a_gpu_it_says_so_in_one_line(check, tmp_path):
    end = check()
    assert end.rc == 3 and end.stdout == "" and len(end.stderr.splitlines()) == 1, end.output
    assert end.stderr.startswith("gpu-check: no GPU to check: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--nothing"], ["--out"], ["word"]])
def test_other_words_are_refused(check, words):
    end = check(*words)
    assert end.rc == 2 and end.stderr.startswith("usage: scripts/gpu-check [--out DIR]"), end.output


@pytest.mark.slow
def test_steps_pass_or_are_skipped_and_leave_their_results(stand_in, tmp_path):
    end = stand_in("--only", STEPS)
    assert end.rc == 0, end.output
    took = steps(end)
    assert {name for name, result in took.items() if result == "pass"} == {
        "list", "doctor", "cuda_test", "memory-pinned", "memory-device", "strict-mpi-direct", "strict-gpu-index"}, end.output
    assert {name for name, result in took.items() if result == "skip"} == {"versus-copy-h2d"}, end.output
    assert end.stdout.splitlines()[-1] == "7 passed, 0 failed, 1 skipped"
    cells = json.loads((tmp_path / "out/memory-device.json").read_text())["cells"]
    assert {cell["path"] for cell in cells} == {"staged", "pipelined"} and all(cell["simulated"] for cell in cells)
    summary = (tmp_path / "out/summary.md").read_text()
    assert summary.startswith("# SIMULATED, no measurement of anything: Stand-in 0\n"), summary
    assert "| skip | versus-copy-h2d | not both were measured |" in summary
    assert "| latency | mpi | staged | device | ping-pong | 8 |" in summary
    assert stand_in().rc == 2  # what is there is not mixed with what comes


@pytest.mark.slow
def test_a_step_that_fails_fails_the_whole_and_the_others_go_on(stand_in):
    end = stand_in("--only", "@(memory-pinned|memory-device|list)", WM_CUDA_FAIL="cuLaunchKernel=719")
    assert end.rc == 1 and steps(end) == {"list": "pass", "memory-pinned": "pass", "memory-device": "fail"}, end.output
    assert "CUDA_ERROR_LAUNCH_FAILED" in end.stdout and end.stdout.endswith("2 passed, 1 failed, 0 skipped\n"), end.output


@pytest.mark.slow
def test_calls_of_nccl_are_held_against_a_bare_loop(stand_in, tmp_path):
    end = stand_in("--only", "*nccl*-64", "--nccl-lib", BUILD / "tests/preload/nccl.so")
    took = steps(end)
    assert took.pop("versus-nccl-calls-64") in ("pass", "fail"), end.output  # a figure of stand-ins
    assert took == {"nccl-calls-64": "pass", "bare_nccl-64": "pass"}, end.output
    text = re.search(r"versus-nccl-calls-64 +(-?[0-9.]+) us a call beyond a bare loop's ([0-9.]+) us", end.stdout)
    ours, = json.loads((tmp_path / "out/nccl-calls-64.json").read_text())["cells"]
    bare = float((tmp_path / "out/bare_nccl-64.log").read_text())
    assert float(text[2]) == pytest.approx(bare / 1e3, abs=0.006)
    assert float(text[1]) == pytest.approx((ours["time_ns"]["median"] - bare) / 1e3, abs=0.011)
    assert f" {text[1]} |" in (tmp_path / "out/summary.md").read_text().split("| result |")[0]


@pytest.mark.slow
def test_nothing_but_skips_is_not_a_pass(stand_in):
    end = stand_in("--only", "@(nvidia-smi|versus-copy-h2d)", PATH="/usr/bin:/bin")
    assert end.rc == 3 and end.stdout.endswith("0 passed, 0 failed, 2 skipped\n"), end.output
