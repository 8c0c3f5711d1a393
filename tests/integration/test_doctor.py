"""doctor on this machine, on recorded machines, alone and under mpirun. BLESS=1 writes golden files and docs anew."""
import json
import os
import re
import shutil
import subprocess

import jsonschema
import pytest

from launch import ROOT, no_name_spaces

BLESS = os.environ.get("BLESS") or os.environ.get("WM_BLESS")
MAKE = ROOT / "tests/recorded/make"
DOCS = ROOT / "docs/doctor.md"


@pytest.fixture
def doctor(wiremark, start):
    """doctor(*words) -> how it ended, without a launcher."""
    return lambda *words, **more: start([wiremark, "doctor", *words], **more).finish(60)


def checks_of(end):
    """The document, validated, as {id: entry}."""
    with open(ROOT / "reports/schema/wiremark-doctor-1.schema.json") as file:
        schema = json.load(file)
    document = json.loads(end.stdout)
    validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft7Validator)
    validator(schema).validate(document)
    assert document["schema"] == "wiremark-doctor/1"
    return {entry["id"]: entry for entry in document["checks"]}


def machines():
    listed = subprocess.run([MAKE, "--list"], check=True, stdout=subprocess.PIPE, text=True)
    return listed.stdout.split()


@pytest.mark.parametrize("machine", machines())
def test_recorded_machine(doctor, record, machine):
    end = doctor("--sysfs-root", record(machine), "--all")
    golden = ROOT / f"tests/golden/doctor-{machine}.txt"
    assert end.stderr == "" and end.rc in (0, 1, 3)
    if BLESS:
        golden.write_text(end.stdout)
    assert end.stdout == golden.read_text()


@pytest.mark.parametrize("name", sorted(path.name for path in MAKE.parent.glob("*.xml")))
def test_topology_file(doctor, name):
    """What a file of hwloc or NCCL does not hold is unknown, and never a fault."""
    end = doctor("--xml", MAKE.parent / name, "--all")
    golden = ROOT / f"tests/golden/doctor-{name.removesuffix('.xml')}.txt"
    assert end.stderr == "" and end.rc in (0, 3) and "FAIL" not in end.stdout
    if BLESS:
        golden.write_text(end.stdout)
    assert end.stdout == golden.read_text()


def test_a_good_machine_has_nothing_to_mend(doctor, record):
    end = doctor("--sysfs-root", record("dgx-h100"), "--json")
    bad = [c for c in checks_of(end).values() if c["health"] in ("fail", "warn") or c["required"] and c["health"] == "unknown"]
    assert end.rc == 0 and bad == []


# Faults planted into the good machine: what finds them, how bad they are, and a word of what is said.
FAULTS = {
    "memlock": ("fail", "64.0 KiB", "--set", "proc/self/limits=Max locked memory         65536      65536      bytes"),
    "device-nodes": ("fail", "there is no", "--remove", "dev/infiniband", "--remove", "dev/nvidia*"),
    "pci-link": ("fail", "x8 of x16", "--set", "sys/bus/pci/devices/0000:18:00.0/current_link_width=8"),
    "pci-iommu": ("warn", "DMA-FQ", "--set", "sys/kernel/iommu_groups/*/type=DMA-FQ"),
    "ports": ("warn", "mlx5_0:1 DOWN", "--set", "sys/class/infiniband/mlx5_0/ports/1/state=1: DOWN",
              "--set", "sys/class/infiniband/mlx5_0/ports/1/phys_state=3: Disabled"),
    "port-rate": ("warn", "mlx5_0:1 100 Gb/sec", "--set", "sys/class/infiniband/mlx5_0/ports/1/rate=100 Gb/sec (1X NDR)"),
    "error-counters": ("warn", "symbol_error 12", "--set", "sys/class/infiniband/mlx5_0/ports/1/counters/symbol_error=12"),
    "roce-mtu": ("warn", "packets of 1024 bytes", "--set", "sys/class/net/enp41s0f0np0/mtu=1500"),
    "roce-gid": ("warn", "only v1", "--set", "sys/class/infiniband/mlx5_1/ports/1/gid_attrs/types/*=IB/RoCE v1"),
    "gpu-rdma": ("fail", "nvidia_peermem", "--remove", "sys/module/nvidia_peermem"),
    "fabric-manager": ("fail", "no process", "--remove", "proc/[0-9]*", "--set", "proc/1/comm=systemd"),
    "mpi-variables": ("warn", "UCX_TLS=tcp", "--append", r"proc/self/environ=UCX_TLS=tcp\0"),
    "nccl-variables": ("warn", "NCCL_IB_DISABLE=1", "--append", r"proc/self/environ=NCCL_IB_DISABLE=1\0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("check", FAULTS)
def test_a_planted_fault_is_found_and_no_other(doctor, record, check):
    health, word, *faults = FAULTS[check]
    end = doctor("--sysfs-root", record("dgx-h100", *faults), "--json")
    checks = checks_of(end)
    assert checks[check]["health"] == health and word in checks[check]["read"], checks[check]
    assert end.rc == (1 if health == "fail" else 0)
    assert {name for name, entry in checks.items() if entry["health"] in ("fail", "warn")} == {check}


def test_a_required_check_that_cannot_be_known_is_3(doctor, record):
    end = doctor("--sysfs-root", record("dgx-h100", "--cut", "sys/bus/pci/devices/*/config=64"))
    assert end.rc == 3, end.output
    assert "UNKNOWN  pci-acs" in end.stdout and "only root" in end.stdout and "add to the recording: ACS" in end.stdout


def test_this_machine_gets_all_checks(doctor):
    end = doctor("--json")
    assert end.rc in (0, 1, 3) and end.stderr == ""
    assert len(checks_of(end)) >= 30


def test_kernel_and_host_are_those_of_this_machine(doctor):
    entry = checks_of(doctor("--json", "--check", "versions"))["versions"]
    assert os.uname().release in entry["read"] and os.uname().nodename in entry["hosts"]


NO_MOUNTS, NO_NAMES = no_name_spaces("-m"), no_name_spaces("-u")
another_sys = pytest.mark.skipif(bool(NO_MOUNTS), reason=f"no /sys of its own: {NO_MOUNTS}")


@pytest.fixture
def beside_cards(start, wiremark, record):
    """beside_cards(*words, env={}) -> the checks of this process on a machine that has another one's /sys, or skipped."""
    script = 'mount --bind "$1/sys" /sys || exit 77; shift; exec "$@"'

    def run(*words, **more):
        end = start(["unshare", "-m", "bash", "-c", script, "sh", record("dgx-h100"), *words], **more).finish(60)
        if end.rc == 77:
            pytest.skip("this place lets nobody mount: " + end.stderr)
        return checks_of(end)

    return run


@another_sys
def test_a_variable_of_this_process_changes_the_finding(beside_cards, wiremark):
    words = [wiremark, "doctor", "--json", "--check", "mpi-variables"]
    entry = beside_cards(*words)["mpi-variables"]
    assert entry["health"] == "ok" and "UCX_TLS" not in entry["mend"], entry
    entry = beside_cards(*words, env={"UCX_TLS": "tcp"})["mpi-variables"]
    assert entry["health"] == "warn" and "UCX_TLS=tcp" in entry["read"] and entry["mend"], entry


@another_sys
def test_a_limit_of_this_process_changes_the_finding(beside_cards, wiremark):
    words = [wiremark, "doctor", "--json", "--check", "memlock"]
    bound = ["setpriv", "--bounding-set", "-ipc_lock"]  # what root is allowed makes the limit none
    entry = beside_cards("prlimit", "--memlock=65536:65536", *bound, *words)["memlock"]
    assert "64.0 KiB" in entry["read"] and entry["health"] == "fail" and entry["mend"], entry
    entry = beside_cards("prlimit", "--memlock=32768:32768", *bound, *words)["memlock"]
    assert "32.0 KiB" in entry["read"] and entry["health"] == "fail", entry
    entry = beside_cards("prlimit", "--memlock=65536:65536", *words)["memlock"]
    assert "CAP_IPC_LOCK" in entry["read"] and entry["health"] == "ok" and entry["mend"] == "", entry


def test_one_rank_a_node_looks_and_rank_0_prints_once(wiremark, mpirun):
    end = mpirun(3, wiremark, "doctor", "--json")
    assert end.rc in (0, 1, 3), end.output
    assert checks_of(end)["memlock"]["hosts"] == [os.uname().nodename]


def test_a_fault_is_a_status_1_under_mpirun_too(wiremark, mpirun, record):
    folder = record("dgx-h100", "--remove", "sys/module/nvidia_peermem")
    end = mpirun(2, wiremark, "doctor", "--sysfs-root", folder)
    assert end.rc == 1 and end.stdout.count("FAIL     gpu-rdma") == 1, end.output


REFUSED = {
    "option": (["--jsn"], 2, "unknown option --jsn (did you mean --json?)"),
    "check": (["--check", "memlok"], 2, "there is no check 'memlok' (did you mean memlock?)"),
    "empty": (["--check", ""], 2, "--check"),
    "word": (["gpu"], 2, "doctor takes options only, and was given 'gpu'"),
    "root": (["--sysfs-root", "gone"], 3, "gone"),
    "no machine": (["--sysfs-root", "."], 3, ". is no recorded machine: of sys/devices, "),
    "xml": (["--xml", "gone.xml"], 3, "gone.xml"),
}


LAUNCHED = {"check", "no machine"}  # of those under a launcher the quick ones: from the words, and from the look


@pytest.mark.parametrize("words, status, part, launched", [
    pytest.param(*row, launched, id=f"{'mpirun' if launched else 'alone'}-{name}",
                 marks=pytest.mark.slow if launched and name not in LAUNCHED else [])
    for name, row in REFUSED.items() for launched in (False, True)])
def test_bad_words_are_refused_in_one_line(wiremark, doctor, mpirun, words, status, part, launched):
    end = mpirun(2, wiremark, "doctor", *words) if launched else doctor(*words)
    said = [line for line in end.stderr.splitlines() if line.startswith("wiremark: ")]
    assert end.rc == status and len(said) == 1 and part in said[0], end.output
    assert end.stdout == ""


@pytest.mark.slow
@pytest.mark.skipif(bool(NO_NAMES), reason=f"no host names of their own: {NO_NAMES}")
def test_nodes_are_compared_and_differences_stand_first(wiremark, mpirun, record, tmp_path):
    """Each rank is a host of its own by name, with a machine of its own; the second has lost a library's version."""
    for rank in range(3):
        shutil.copytree(record("dgx-h100"), tmp_path / f"machine{rank}", symlinks=True)
        (tmp_path / f"machine{rank}/proc/sys/kernel/hostname").write_text(f"gpu{rank + 1}\n")
    (tmp_path / "machine1/versions").write_text("libfabric 1.17.0\nnccl 2.18.3\n")
    (tmp_path / "machine2/proc/sys/kernel/numa_balancing").write_text("1\n")
    script = tmp_path / "node.sh"
    script.write_text('#!/bin/sh\nrank=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}\n'
                      f'exec unshare -u sh -c "hostname lab$rank; exec {wiremark} doctor --sysfs-root {tmp_path}/machine$rank $*"\n')
    script.chmod(0o755)
    end = mpirun(3, script)
    assert end.rc == 0, end.output
    lines = end.stdout.splitlines()
    assert lines[0] == "3 nodes, DGXH100: 31 checks" and lines[2] == "DIFFERENT BETWEEN NODES", end.output
    assert "    most, gpu[1,2]: ok\n    gpu3: warn\n" in end.stdout
    assert "    gpu2: nccl 2.18.3\n" in end.stdout and "WARN     numa-balancing" in end.stdout
    document = json.loads(mpirun(3, script, "--json").stdout)
    assert document["differences"] == ["numa-balancing", "versions"]
    hosts = {entry["health"]: entry["hosts"] for entry in document["checks"] if entry["id"] == "numa-balancing"}
    assert hosts == {"ok": ["gpu1", "gpu2"], "warn": ["gpu3"]}


RISE = """
mount --bind "$1/sys" /sys || exit 77
counter=/sys/class/infiniband/mlx5_0/ports/1/counters/symbol_error
(for n in $(seq 300); do echo $n >$counter.new; mv $counter.new $counter; sleep 0.01; done) &
"$2" doctor --check error-counters
status=$?
kill $!
exit $status
"""


@pytest.mark.slow
@another_sys
def test_errors_that_rise_while_it_looks_are_a_fault(wiremark, start, record):
    folder = record("dgx-h100", "--set", "sys/class/infiniband/mlx5_3/ports/1/counters/link_downed=7")
    end = start(["unshare", "-m", "bash", "-c", RISE, "rise", folder, wiremark]).finish(60)
    if end.rc == 77:
        pytest.skip("this place lets nobody mount: " + end.stderr)
    assert end.rc == 1 and "errors rise within 0.15 s: mlx5_0:1 symbol_error" in end.stdout, end.output
    assert "link_downed" not in end.stdout  # it stands still


def test_the_page_holds_the_checks_of_the_program(doctor):
    listed = doctor("--list")
    assert listed.rc == 0
    page = DOCS.read_text()
    wanted = re.sub(r"(<!-- checks -->\n).*(<!-- /checks -->)", lambda m: m[1] + listed.stdout + m[2], page, flags=re.S)
    if BLESS:
        DOCS.write_text(wanted)
    assert page == wanted or BLESS, "docs/doctor.md differs from wiremark doctor --list; BLESS=1 mends it"
