"""Copies to, from and between GPUs: on the simulated device, and on a stand-in for the driver, which shares memory between
processes as CUDA IPC does. Neither is a GPU: what is measured is nothing but that it works."""
import json
import pathlib
import re
import subprocess

import pytest

ALONE = ["copy-h2d", "copy-d2h", "copy-both", "copy-local"]
PAIRS = ["copy-write", "copy-read"]
LATENCIES = ["copy-latency", "copy-latency-peer"]
GROUPS = ["copy-all-to-one", "copy-one-to-all"]
QUICK = ["--cell-time", "1ms", "--min-samples", "12", "--format", "none", "--output", "r.json", "--force"]
STAND_IN = "tests/preload/cuda.so"


@pytest.fixture
def run(wiremark, mpirun, tmp_path):
    """run(ranks, *words, **settings) on the stand-in's driver."""
    library = pathlib.Path(wiremark).parent / STAND_IN
    if re.search(r"^  cuda .*not built in", subprocess.run([wiremark, "list"], capture_output=True, text=True,
                                                           check=True).stdout, re.M):
        pytest.skip("this wiremark was built without CUDA")
    if not library.exists():
        pytest.skip(f"{library} is not built")
    (tmp_path / "libcuda.so.1").symlink_to(library)
    return lambda ranks, *words, **settings: mpirun(ranks, wiremark, "run", *words, *QUICK,
                                                    env={"LD_LIBRARY_PATH": str(tmp_path), **settings})


def verified(cells):
    for cell in cells:
        assert cell["status"] == "measured", (cell["id"], cell.get("reason"))
        assert cell["verify"]["wrong_elements"] == 0 and cell["verify"]["checked_bytes"] > 0, cell["id"]
    return cells


def test_copies_of_one_rank_on_the_simulated_device(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(1, wiremark, "run", *ALONE, "--mem", "host:simulated,simulated:host,simulated", "--bytes", "1,5000", *QUICK)
    assert end.rc == 0, end.output
    cells = verified(load_result(tmp_path / "r.json")["cells"])
    assert [(c["bench"], c["transport"], c["mem"], c["path"]) for c in cells[::2]] == [
        ("copy-h2d", "sim", "host:simulated", "direct"), ("copy-d2h", "sim", "simulated:host", "direct"),
        ("copy-both", "sim", "host:simulated", "direct"), ("copy-local", "sim", "simulated", "direct")]
    assert all(c["simulated"] and c["ranks"] == 1 and c["bandwidth"]["alg_bytes_per_s"] > 0 for c in cells)


def test_they_run_without_a_launcher_too(wiremark, tmp_path, load_result):
    end = subprocess.run([wiremark, "run", "copy-h2d", "--mem", "host:simulated", "--bytes", "8", *QUICK], cwd=tmp_path,
                         capture_output=True, text=True, timeout=60)
    assert end.returncode == 0, end.stderr
    verified(load_result(tmp_path / "r.json")["cells"])


def test_both_ways_count(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(1, wiremark, "run", "copy-h2d", "copy-both", "--mem", "host:simulated", "--bytes", "64K", *QUICK)
    assert end.rc == 0, end.output
    for cell in load_result(tmp_path / "r.json")["cells"]:
        counted = (2 if cell["bench"] == "copy-both" else 1) * cell["bytes"]
        assert cell["bandwidth"]["alg_bytes_per_s"] == pytest.approx(counted / cell["time_ns"]["median"] * 1e9)


@pytest.mark.parametrize("free, words, sizes", [
    (64, [], [1, 2, 4]),  # of 64 MiB a quarter holds two messages of 4 MiB, in and out
    (64, ["--max-bytes", "2M", "--min-bytes", "1M"], [1, 2]),
    (1, [], [1]),
])
def test_sizes_of_copies_where_none_is_given(run, load_result, tmp_path, free, words, sizes):
    run(1, "copy-h2d", *words, WM_CUDA_FREE=str(free << 20))
    cells = load_result(tmp_path / "r.json")["cells"]
    assert [cell["bytes"] >> 20 for cell in cells] == sizes
    assert all("limit" not in cell for cell in cells)  # nothing is held against links that nobody has


def test_plan_shows_sizes_of_copies(wiremark):
    words = [wiremark, "plan", "copy-all-to-one", "latency", "--mem", "simulated", "--ranks", "4"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^copy-all-to-one +9 +1M +256M ", said, re.M) and re.search(r"^latency +23 +1 +4M ", said, re.M), said


@pytest.mark.slow
def test_copies_between_ranks_on_the_simulated_device(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(3, wiremark, "run", *PAIRS, *GROUPS, "--mem", "simulated", "--bytes", "1,5000", *QUICK)
    assert end.rc == 0, end.output
    cells = verified(load_result(tmp_path / "r.json")["cells"])
    assert {(c["bench"], c["ranks"]) for c in cells} == {*((b, 2) for b in PAIRS), *((b, 3) for b in GROUPS)}
    assert all(c["simulated"] and c["transport"] == "sim" for c in cells)


def test_kernels_copy_for_one_transport_alone(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "copy-write", "copy-local", "--algo", "sm", "--mem", "simulated", "--bytes", "8", *QUICK)
    reasons = [c["reason"] for c in load_result(tmp_path / "r.json")["cells"]]
    assert end.rc == 3 and "transport sim has no kernel that copies: --algo sm is for transport cuda" in reasons[0], end.output
    assert "nothing here can copy from simulated to simulated memory by a kernel" in reasons[1], reasons
    end = mpirun(2, wiremark, "run", *LATENCIES, "--mem", "simulated", "--bytes", "8", *QUICK)
    reasons = [c["reason"] for c in load_result(tmp_path / "r.json")["cells"]]
    assert end.rc == 3 and "nothing here can copy from simulated to simulated memory by a kernel's loads" in reasons[0], end.output
    assert "transport sim has no kernel that loads: --algo chase is for transport cuda" in reasons[1], reasons


@pytest.mark.slow
def test_all_copies_by_engine_and_kernel_through_the_driver(run, load_result, tmp_path):
    end = run(3, *ALONE, *PAIRS, *GROUPS, "--algo", "all", "--bytes", "1,70000", WM_CUDA_DELAY="3", WM_CUDA_DEVICES="3")
    assert end.rc == 0, end.output
    cells = verified(load_result(tmp_path / "r.json")["cells"])
    assert {(c["bench"], c["algo"], c["mem"], c["transport"]) for c in cells} == {
        ("copy-h2d", "ce", "pinned:device", "cuda"), ("copy-d2h", "ce", "device:pinned", "cuda"),
        ("copy-both", "ce", "pinned:device", "cuda"),
        *((bench, algo, "device", "cuda") for bench in ["copy-local", *PAIRS, *GROUPS] for algo in ("ce", "sm"))}
    for cell in cells:  # the transport's clock sees its own streams, and no copies of one rank
        assert ("device_time_ns" in cell) == (cell["bench"] not in ALONE), cell["id"]


def test_a_chase_is_timed_by_the_load(run, load_result, tmp_path):
    end = run(2, *LATENCIES, "--algo", "chase", "--bytes", "1,16,4097,64K", WM_CUDA_DELAY="2", WM_CUDA_DEVICES="2")
    assert end.rc == 0, end.output
    cells = verified(load_result(tmp_path / "r.json")["cells"])
    assert [(c["bench"], c["bytes"], c["algo"], c["mem"], c["transport"], c["ranks"]) for c in cells] == [
        (bench, bytes, "chase", "device", "cuda", ranks) for bench, ranks in zip(LATENCIES, (1, 2))
        for bytes in (1, 16, 4097, 65536)]
    for cell in cells:
        assert cell["verify"]["checked_bytes"] >= cell["bytes"], cell["id"]
        assert "bandwidth" not in cell and "limit" not in cell, cell
        assert ("device_time_ns" in cell) == (cell["bench"] == "copy-latency-peer"), cell["id"]


@pytest.mark.parametrize("mem, status", [("pinned:device", "measured"), ("managed", "measured"), ("host:device", "skipped")])
def test_a_gpu_loads_from_what_it_can_reach(run, load_result, tmp_path, mem, status):
    end = run(1, "copy-latency", "--mem", mem, "--bytes", "64K")
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert (end.rc, cell["mem"], cell["status"]) == (0 if status == "measured" else 3, mem, status), end.output
    if status == "skipped":
        assert "nothing here can copy from host to device memory by a kernel's loads" in cell["reason"], cell
    else:
        verified([cell])


@pytest.mark.parametrize("bench", LATENCIES)
@pytest.mark.parametrize("first", [1, 3])
def test_a_chase_that_goes_astray_is_found(run, load_result, tmp_path, bench, first):
    end = run(2, bench, "--bytes", "4K", WM_CUDA_STRAY=str(first), WM_CUDA_DEVICES="2")
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert end.rc == 1 and cell["status"] == "failed" and "time_ns" not in cell, end.output
    assert cell["verify"]["wrong_elements"] == 16 and "the first at index 0:" in cell["reason"], cell


def test_pageable_memory_stands_beside_pinned(run, load_result, tmp_path):
    end = run(1, "copy-h2d", "--mem", "pinned:device,host:device", "--bytes", "64K")
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "r.json")
    assert [c["mem"] for c in verified(result["cells"])] == ["pinned:device", "host:device"]
    assert result["comparisons"][0]["varies"] == ["mem"]


def test_puts_and_gets_of_gpus_by_the_other_rows(run, load_result, tmp_path):
    end = run(2, "put-latency", "get-bandwidth", "latency", "--transport", "cuda", "--mem", "device", "--bytes", "4097")
    cells = {c["bench"]: c for c in load_result(tmp_path / "r.json")["cells"]}
    assert end.rc == 3 and "transport cuda has no send" in cells.pop("latency")["reason"], end.output
    verified(cells.values())


@pytest.mark.parametrize("failure, words, rc, status, reason", [
    ("cuIpcOpenMemHandle_v2=217", ["--mem", "device"], 3, "skipped",
     "cannot reach the memory of rank 1 on GPU 0000:a1:00.0; no way leads from one GPU's memory"),
    ("cuIpcGetMemHandle=801", ["--mem", "device"], 3, "skipped", "CUDA IPC does not work on parts of a GPU (MIG)"),
    ("", ["--mem", "managed"], 3, "skipped", "CUDA IPC shares device memory between processes, and no managed memory"),
    ("cuStreamCreate=719@5", ["--mem", "device"], 3, "not_run", "cannot be made ready for copies"),
    ("cuEventQuery=719@20", ["--mem", "device"], 1, "failed", "a copy between GPUs failed on GPU 0; the GPU may be lost"),
    ("cuMemAlloc_v2=2@2", ["--mem", "device"], 1, "failed", "no device memory of 64 B on GPU"),
])
def test_what_fails_is_said_and_never_measured(run, load_result, tmp_path, failure, words, rc, status, reason):
    end = run(2, "copy-write", *words, "--bytes", "8", "--timeout", "5s", WM_CUDA_FAIL=failure, WM_CUDA_DEVICES="2")
    cell = load_result(tmp_path / "r.json")["cells"][0]
    assert end.rc == rc, end.output
    assert cell["status"] == status and reason in cell["reason"] and "time_ns" not in cell, cell


@pytest.mark.parametrize("settings, reason", [
    ({"WM_CUDA_DEVICES": "0"}, "no GPU can be seen"),
    ({"WM_CUDA_FAIL": "cuInit=802"}, "the NVLink switches are not set up"),
])
def test_no_device_is_one_error(run, tmp_path, settings, reason):
    end = run(2, "copy-write", "--bytes", "8", **settings)
    lines = [line for line in end.stderr.splitlines() if line.startswith("wiremark:")]
    assert end.rc == 3 and len(lines) == 1 and reason in lines[0], end.output
    assert not (tmp_path / "r.json").exists()


def test_two_ranks_on_one_gpu_say_so(run, load_result, tmp_path):
    end = run(2, "copy-write", "--bytes", "8")
    assert end.rc == 0, end.output
    cell = load_result(tmp_path / "r.json")["cells"][0]
    assert cell["provider"] == "CUDA IPC" and "fabric" not in cell, cell
    assert cell["id"].endswith("placement=same-host")


# ---- which way: what a stand-in for NVML says of the same GPUs ----

@pytest.fixture
def nvml(wiremark, tmp_path):
    """nvml(links) -> settings for a machine of three GPUs; links: by GPU, those that NVLink joins it to."""
    def write(links):
        gpus = [{"name": f"Stand-in {i}", "uuid": f"GPU-{0xab if i < 2 else 0xcd:02x}{i:02x}0000-0000-0000-0000-0000000000ee",
                 "pci": f"00000000:{0xa0 + i:02X}:00.0", "memory_bytes": 1 << 30,
                 "nvlinks": [{"active": True, "remote": "gpu", "remote_pci": f"00000000:{0xa0 + to:02X}:00.0", "mb_per_s": 25000}
                             for to in links.get(i, [])]} for i in range(3)]
        (tmp_path / "nvml.json").write_text(json.dumps({"driver": "580.1", "gpus": gpus}))
        library = tmp_path / "libnvidia-ml.so.1"
        if not library.exists():
            library.symlink_to(pathlib.Path(wiremark).parent / "tests/preload/nvml.so")
        return {"WM_NVML_FILE": str(tmp_path / "nvml.json"), "WM_CUDA_DEVICES": "3"}
    return write


def test_a_fabric_chooses_the_transport_and_the_pair(run, nvml, load_result, tmp_path):
    end = run(3, "copy-write", "--fabric", "nvlink", "--bytes", "8", **nvml({1: [2], 2: [1]}))
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert end.rc == 0 and cell["status"] == "measured" and cell["transport"] == "cuda", end.output
    assert cell["fabric"] == "nvlink" and "fabric=nvlink" in cell["id"]
    assert [(pair["from"], pair["to"]) for pair in cell["pairs"]] == [(1, 2)]


def test_a_fabric_is_held_to_between_all(run, nvml, load_result, tmp_path):
    end = run(3, "copy-one-to-all", "--fabric", "nvlink", "--bytes", "8", **nvml({0: [1], 1: [0]}))
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert end.rc == 3 and cell["status"] == "skipped", end.output
    assert "--fabric nvlink: from GPU 0000:a0:00.0 to that of rank 2, 0000:a2:00.0, it found pcie" in cell["reason"], cell


@pytest.mark.parametrize("words, links, reason", [
    (["--fabric", "nvlink"], {}, "looked for an active NVLink on host"),
    (["--fabric", "nvlink", "--pairs", "0-1"], {1: [2], 2: [1]}, "--fabric nvlink does not join the GPUs of ranks 0 and 1"),
])
def test_a_fabric_that_is_not_there_is_one_error(run, nvml, tmp_path, words, links, reason):
    end = run(3, "copy-write", *words, "--bytes", "8", **nvml(links))
    lines = [line for line in end.stderr.splitlines() if line.startswith("wiremark:")]
    assert end.rc == 3 and len(lines) == 1 and reason in lines[0], end.output
    if links == {}:
        assert "GPU 0 (pcie), GPU 1 (pcie), GPU 2 (pcie)" in lines[0]
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("bench", ["copy-write", "copy-read", "copy-latency-peer"])
@pytest.mark.parametrize("links, road, verdict, reason", [
    ({0: [1], 1: [0]}, "nvlink", "proven", ""),
    ({}, "pcie", "proven", ""),
    ({0: [1], 1: [0]}, "pcie", "contradicted", ":pcie carried 1"),
    ({0: [1], 1: [0]}, "neither", "unproven", ":nvlink moved 0 % of the bytes"),
])
def test_counters_of_gpus_prove_the_way(run, nvml, load_result, tmp_path, bench, links, road, verdict, reason):
    (tmp_path / "meter").write_bytes(bytes(4096))
    end = run(2, bench, "--bytes", "256K", WM_CUDA_METER=str(tmp_path / "meter"), WM_METER_ROAD=road, **nvml(links))
    assert end.rc == 0, end.output
    evidence = load_result(tmp_path / "r.json")["cells"][0]["evidence"]
    assert evidence["verdict"] == verdict and reason in evidence.get("reason", ""), evidence
    if verdict == "proven":
        assert evidence["fabric"] == road and any(c["device"].endswith(":" + road) for c in evidence["counters"]), evidence
        assert "as NVML says" in evidence["claims"][0]["how"], evidence


def test_counters_that_cannot_be_read_prove_nothing(run, nvml, load_result, tmp_path):
    end = run(2, "copy-write", "--bytes", "8", "--require-proven", **nvml({0: [1], 1: [0]}))
    cell, = load_result(tmp_path / "r.json")["cells"]
    assert end.rc == 1 and cell["status"] == "failed" and "the fabric is not proven" in cell["reason"], cell
