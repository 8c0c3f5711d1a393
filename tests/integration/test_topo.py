"""topo on this machine, on recorded machines, alone and under mpirun. BLESS=1 writes the golden files anew."""
import json
import os
import shutil
import subprocess

import jsonschema
import pytest

from launch import ROOT

BLESS = os.environ.get("BLESS") or os.environ.get("WM_BLESS")
RECORDED = ROOT / "tests/recorded"


@pytest.fixture
def topo(wiremark, start):
    """topo(*words) -> how it ended, without a launcher."""
    return lambda *words, **more: start([wiremark, "topo", *words], **more).finish(60)


def machines():
    listed = subprocess.run([RECORDED / "make", "--list"], check=True, stdout=subprocess.PIPE, text=True)
    return listed.stdout.split()


def files():
    return sorted(path.name for path in RECORDED.glob("*.xml"))


def is_golden(name, text):
    golden = ROOT / f"tests/golden/topo-{name}.txt"
    if BLESS:
        golden.write_text(text)
    assert text == golden.read_text()


def kind_of(end):
    """The one kind of node of a JSON output, validated by its schema and that of results."""
    result, own = (json.loads((ROOT / f"reports/schema/wiremark-{name}-1.schema.json").read_text())
                   for name in ("result", "topology"))
    document = json.loads(end.stdout)
    whole = json.loads(json.dumps(own).replace(result["$id"] + "#", "#"))  # the part of the other in its own
    jsonschema.Draft202012Validator({**whole, "$defs": result["$defs"]}).validate(document)
    assert document["schema"] == "wiremark-topology/1"
    assert len(document["kinds"]) == 1
    return document["kinds"][0]


# Written file by file, the large machines take seconds.
@pytest.mark.parametrize("machine", [name if name in ("plain-vm", "roce-degraded") else pytest.param(name, marks=pytest.mark.slow)
                                     for name in machines()])
def test_recorded_machine(topo, record, machine):
    end = topo("--sysfs-root", record(machine), "--ranks", "4")
    assert end.stderr == "" and end.rc == 0
    is_golden(machine, end.stdout)


@pytest.mark.parametrize("name", files())
def test_topology_file(topo, name):
    end = topo("--xml", RECORDED / name)
    assert end.stderr == "" and end.rc == 0
    is_golden(name.removesuffix(".xml"), end.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("machine", machines())
def test_json_is_what_a_result_holds(topo, record, machine):
    kind = kind_of(topo("--sysfs-root", record(machine), "--format", "json"))
    assert kind["cores"] == len(kind["core_threads"])


def test_gids_of_a_roce_node(topo, record):
    end = topo("--sysfs-root", record("roce-degraded"), "--gids")
    assert end.rc == 0
    is_golden("gids-roce-degraded", end.stdout)


def test_no_gids_here(topo, record):
    end = topo("--sysfs-root", record("plain-vm"), "--gids")
    assert end.rc == 0 and "no RDMA device here has an address" in end.stdout


def test_error_counters_are_in_the_json_and_not_in_a_kind(topo, record, mpirun, wiremark):
    folder = record("dgx-h100", "--set", "sys/class/infiniband/mlx5_3/ports/1/counters/link_downed=7")
    port = next(d for d in kind_of(topo("--sysfs-root", folder, "--format", "json"))["rdma"] if d["name"] == "mlx5_3")["ports"][0]
    assert port["counters"] == [{"name": "link_downed", "value": 7}]
    end = mpirun(2, wiremark, "topo", "--sysfs-root", folder, "--format", "json")
    kind = kind_of(end)
    assert len(kind["rdma"]) == 12 and all("counters" not in d["ports"][0] for d in kind["rdma"])


def test_many_ranks_are_grouped(topo, record):
    end = topo("--sysfs-root", record("dgx-h100"), "--ranks", "4096")
    assert end.rc == 0 and "  host    8386560 pairs  0-1 0-2 " in end.stdout
    assert "  direct  7340032 pairs  0-1 0-2 " in end.stdout and "NVLink, 18 links" in end.stdout


def test_a_matrix_that_nobody_reads_is_left_out(topo, tmp_path):
    """80 GPUs on one processor, as NCCL's file has them."""
    gpus = "".join(f'<pci busid="0000:{bus:02x}:00.0" class="0x030200" link_speed="32.0 GT/s PCIe" link_width="16">'
                   f'<gpu dev="{bus - 1}" sm="90"/></pci>' for bus in range(1, 81))
    (tmp_path / "many.xml").write_text(f'<system version="1"><cpu numaid="0" affinity="ff" arch="x86_64">{gpus}</cpu></system>')
    end = topo("--xml", "many.xml")
    assert end.rc == 0, end.output
    assert "no matrix: 80 GPUs and cards, and it is shown up to 64 (--format json has them all)\n" in end.stdout
    assert "GPU80" not in end.stdout and "PHB" not in end.stdout and "X itself" not in end.stdout


def test_dot_is_a_graph(topo, record):
    end = topo("--sysfs-root", record("dgx-h100"), "--format", "dot")
    assert end.rc == 0 and end.stdout.count("NV18") == 28  # pairs of 8 GPUs
    lines = end.stdout.splitlines()
    assert lines[0] == 'graph "DGXH100" {' and lines[-1] == "}"
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tcanon"], input=end.stdout, text=True, check=True, stdout=subprocess.DEVNULL)


def test_this_machine(topo):
    end = topo("--format", "json")
    kind = kind_of(end)
    assert end.rc == 0 and kind["threads"] >= 1 and kind["source"] == "this machine"


# ---- under a launcher


def test_all_nodes(mpirun, wiremark):
    end = mpirun(3, wiremark, "topo")
    assert end.rc == 0, end.output
    assert "ranks as --bind auto places them" in end.stdout
    assert "3 pairs  0-1 0-2 1-2              host memory" in end.stdout
    assert "processors any" not in end.stdout


CPUSET = "/sys/fs/cgroup/cpuset"


def test_seats_are_within_each_ranks_cgroup(mpirun, wiremark, tmp_path):
    """The second rank's cgroup has the last processor only."""
    cpu = max(os.sched_getaffinity(0))
    group = f"{CPUSET}/wiremark-test-{os.getpid()}"
    if cpu == 0 or not os.path.exists(f"{CPUSET}/cpuset.mems") or not os.access(CPUSET, os.W_OK):
        pytest.skip("needs two processors, and a cpuset of its own")
    os.mkdir(group)
    try:
        for name, text in (("cpus", str(cpu)), ("mems", open(f"{CPUSET}/cpuset.mems").read())):
            with open(f"{group}/cpuset.{name}", "w") as file:
                file.write(text)
        script = tmp_path / "confined.sh"
        script.write_text('#!/bin/sh\nrank=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}\n'
                          f'[ "$rank" = 0 ] && echo $$ >{group}/tasks\nexec {wiremark} topo\n')
        script.chmod(0o755)
        end = mpirun(2, script)
    finally:
        os.rmdir(group)
    assert end.rc == 0, end.output
    assert f"     0  {os.uname().nodename}: processors {cpu}," in end.stdout.replace("\n", ",\n"), end.stdout


def test_recorded_machine_under_a_launcher(mpirun, wiremark, record):
    end = mpirun(3, wiremark, "topo", "--sysfs-root", record("dgx-h100"))
    assert end.rc == 0, end.output
    assert "processors 0-17,112-129, GPU 0, card mlx5_0" in end.stdout
    assert "direct       3 pairs  0-1 0-2 1-2              NVLink, 18 links" in end.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", ["topo", "doctor"])
@pytest.mark.parametrize("victim", [0, 1])
def test_a_stopped_rank_is_named_and_ends_all(mpirun_start, wiremark, preload, command, victim):
    """A rank that stands still while the nodes are looked at; it stops itself at a collective behind MPI_Init."""
    program = mpirun_start(3, "env", f"LD_PRELOAD={preload('stop')}", wiremark, command, "--timeout", "1s",
                           env={"WM_STOP_RANK": str(victim), "WM_STOP_AT": "2"})
    program.wait(40)
    assert program.left() == [], program.stderr()
    end = program.finish(0)
    assert end.rc == 124 and "wiremark: timed out after 1 s in the look at the nodes\n" in end.stderr, end.output
    assert f"rank {victim} on {os.uname().nodename} is stopped" in end.stderr and "journal" not in end.stderr, end.output
    others = ", ".join(str(rank) for rank in range(3) if rank != victim)
    assert f"ranks {others.replace('1, 2', '1-2')} on {os.uname().nodename} wait in the look at the nodes" in end.stderr


def test_result_holds_each_kind_once(mpirun, wiremark, tmp_path, load_result):
    result = tmp_path / "r.json"
    end = mpirun(3, wiremark, "run", "latency", "--bytes", "8", "--output", result, "--cell-time", "20ms")
    assert end.rc == 0, end.output
    document = load_result(result)
    assert len(document["topology"]["kinds"]) == 1
    kind = document["topology"]["kinds"][0]
    assert kind["hosts"] == [document["world"]["ranks"][0]["host"]] and "notes" not in kind and "source" not in kind


def test_bind_auto(mpirun, wiremark, tmp_path, load_result):
    """Two ranks of two cores or more: apart, also where the launcher put them on one."""
    result = tmp_path / "r.json"
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        pytest.skip("one core only")
    end = mpirun(2, "taskset", "-c", "0", wiremark, "run", "latency", "--bytes", "8", "--bind", "auto", "--output", result,
                 "--cell-time", "20ms")
    assert end.rc == 0, end.output
    first, second = (set(cpus(rank["cpus"])) for rank in load_result(result)["world"]["ranks"])
    assert first and second and not first & second


def test_two_ranks_on_one_core_are_told(mpirun, wiremark, tmp_path, load_result):
    result = tmp_path / "r.json"
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core only")
    end = mpirun(2, "taskset", "-c", "0", wiremark, "run", "latency", "--bytes", "8", "--output", result, "--cell-time", "20ms")
    said = "ranks 0 and 1 share the core of processors 0 while the one of"
    assert end.rc == 0, end.output
    assert f"wiremark: warning: {said}" in end.stderr
    assert [w for w in load_result(result)["world"]["warnings"] if w.startswith(said)]


def cpus(text):
    for run in text.split(","):
        first, _, last = run.partition("-")
        yield from range(int(first), int(last or first) + 1)


# ---- bad input

USAGE = [
    (["--format", "xml"], 2, "--format"),
    (["--ranks", "-1"], 2, "--ranks"),
    (["--ranks", "2", "--format", "json"], 2, "--ranks adds to the text"),
    (["--gids", "--format", "dot"], 2, "--gids is a table for people"),
    (["GPU"], 2, "topo takes options only, and was given 'GPU'"),
    (["--sysfs-root", "/nowhere"], 3, "/nowhere"),
    (["--xml", "/nowhere.xml"], 3, "/nowhere.xml"),
    (["--xml", "/etc/passwd"], 2, "/etc/passwd is no XML: hwloc's topology file"),
    (["--sysfs-root", "."], 3, ". is no recorded machine: of sys/devices, "),
    (["--timeout", "1ns"], 2, "--timeout"),
]
LAUNCHED = [*USAGE, (["--gids"], 2, "--gids shows one node's addresses")]
QUICK = {"--gids", "--sysfs-root ."}  # of those under a launcher: one from the words, one from the look


@pytest.mark.parametrize("words, status, said", USAGE)
def test_bad_input(topo, words, status, said):
    end = topo(*words)
    assert end.rc == status and said in end.stderr and end.stdout == "" and end.stderr.count("\n") == 1


@pytest.mark.parametrize("words, status, said", [
    pytest.param(*row, marks=[] if " ".join(row[0]) in QUICK else pytest.mark.slow) for row in LAUNCHED])
def test_bad_input_under_a_launcher(mpirun, wiremark, words, status, said):
    end = mpirun(2, wiremark, "topo", *words)
    assert end.rc == status and "NUMA" not in end.stdout
    assert end.stderr.count("wiremark: ") == 1 and said in end.stderr


def test_full_output(start, wiremark):
    end = start(["sh", "-c", f"{wiremark} topo >/dev/full"]).finish(60)
    assert end.rc == 3 and "the standard output could not be written" in end.stderr


BROKEN = {
    "empty": ["--set", "sys/class/infiniband/mlx5_0/ports/1/rate="],
    "binary": ["--set", "sys/class/infiniband/mlx5_0/ports/1/rate=\x01\x02\x03"],
    "two rates": ["--set", "sys/class/infiniband/mlx5_0/ports/1/rate=400 Gb/sec\n100 Gb/sec"],
    "oversized": ["--set", "sys/class/infiniband/mlx5_0/ports/1/rate=" + "4" * 100000],
}


def test_a_fault_is_planted_through_no_circle_of_links(record):
    folder = record("plain-vm", "--cut", "sys/devices/**/config=64", "--set", "sys/class/net/eth0/speed=10")
    sizes = {path.stat().st_size for path in (folder / "sys/devices").rglob("config")}
    assert sizes == {64} and (folder / "sys/class/net/eth0/speed").read_text() == "10\n"


def test_a_fault_is_planted_within_the_machine_only(record, tmp_path):
    folder = record("plain-vm", "--set", "proc/version=x")
    (folder / "sys/out").symlink_to(tmp_path)
    (tmp_path / "precious").write_text("kept")
    program = f"import runpy, sys; plant = runpy.run_path({str(RECORDED / 'make')!r})['plant']; plant(*sys.argv[1:])"
    end = subprocess.run(["python3", "-c", program, folder, "remove", "sys/out/precious"], cwd=RECORDED, text=True,
                         env={**os.environ, "PYTHONPATH": str(RECORDED)}, stderr=subprocess.PIPE)
    assert end.returncode == 1 and "leads out of the machine's folder" in end.stderr
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.slow
@pytest.mark.parametrize("how", BROKEN)
def test_broken_file_is_absent_and_told(topo, record, how):
    end = topo("--sysfs-root", record("dgx-h100", *BROKEN[how]), "--format", "json")
    kind = kind_of(end)
    port = next(device for device in kind["rdma"] if device["name"] == "mlx5_0")["ports"][0]
    assert end.rc == 0 and "bytes_per_s" not in port
    assert any(note["path"].endswith("mlx5_0/ports/1/rate") for note in kind["notes"])
