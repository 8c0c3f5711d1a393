"""make bundle: the folder runs where nothing but a C library and a shell is, from any path."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

import pytest

import launch

MOST_BYTES = 50_000_000
MPIRUN = os.environ.get("WM_MPIRUN", "mpirun")

pytestmark = pytest.mark.slow


def launcher_is_open_mpi_4():
    said = subprocess.run([MPIRUN, "--version"], capture_output=True, text=True).stdout
    return re.search(r"\((Open MPI|OpenRTE)\) 4\.", said)


@pytest.fixture(scope="module")
def archive():
    if not launcher_is_open_mpi_4():
        pytest.skip(f"{MPIRUN} is not Open MPI 4's")
    environment = {key: value for key, value in os.environ.items() if key not in ("BUILD", "SANITIZE", "MAKEFLAGS")}
    done = subprocess.run(["make", "--no-print-directory", "bundle"], cwd=launch.ROOT, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    assert done.returncode == 0, done.stdout
    return launch.ROOT / re.search(r"^(\S+\.tar\.gz): \d+ KB", done.stdout, re.M)[1]


def loaded_by_glibc():
    """The loader and what a program needs of the C library, as paths."""
    text = subprocess.run(["ldd", shutil.which("dash") or "/bin/sh"], capture_output=True, text=True, check=True).stdout
    paths = {pathlib.Path(path) for path in re.findall(r"(/\S+)", text)}
    folder = next(path for path in paths if path.name.startswith("libc.so")).parent
    return paths | {path for name in ("libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1",
                                      "libresolv.so.2") if (path := folder / name).exists()}


@pytest.fixture(scope="module")
def node(archive, tmp_path_factory):
    """A root folder with a shell, glibc and the bundle in a path with a space; nothing else."""
    if os.geteuid() != 0:
        pytest.skip("only root may change the root folder")
    root = tmp_path_factory.mktemp("node")
    for path in loaded_by_glibc():
        target = root / str(path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for name in ("bin", "dev", "proc", "tmp", "my programs"):
        (root / name).mkdir(exist_ok=True)
    shutil.copy(shutil.which("dash") or "/bin/sh", root / "bin/sh")
    with tarfile.open(archive) as packed:
        packed.extractall(root / "my programs")
    (bundle,) = (root / "my programs").iterdir()
    bundle.rename(bundle.with_name("wire mark"))
    return root


@pytest.fixture
def on_node(node, tmp_path):
    """on_node(script, *settings) -> launch.Finished: sh in the node, with an empty environment and an odd host name."""
    inside = ('mount --bind /dev "$1/dev" && mount -t proc proc "$1/proc" && hostname 7.a-node && root=$1 && shift && '
              'exec env -i "$@"')
    if why := launch.no_name_spaces("-m", "-u"):
        pytest.skip(why)

    def run(script, *settings):
        chroot = shutil.which("chroot")
        return launch.run(["unshare", "-m", "-u", "--", "sh", "-c", inside, "sh", node, *settings, chroot, node, "/bin/sh",
                           "-c", f'cd "/my programs/wire mark" || exit 99; {script}'], 120)
    return run


def result(node, name="r.json"):
    with open(node / "tmp" / name) as file:
        return json.load(file)


def test_it_is_small_and_holds_nothing_that_a_node_must_bring(archive):
    with tarfile.open(archive) as packed:
        members = packed.getmembers()
    names = {os.path.basename(member.name) for member in members}
    assert archive.stat().st_size < MOST_BYTES and sum(member.size for member in members) < MOST_BYTES
    assert {"libmpi.so.40", "libjansson.so.4", "libhwloc.so.15", "mpirun", "orted", "gpu-check", "MANIFEST"} <= names
    assert not [name for name in names if re.match(r"libc\.so|ld-linux|libcuda|libnccl|libicu|libucp|mca_.*_(ucx|psm)", name)]


def test_two_ranks_measure_on_a_bare_node(on_node, node):
    end = on_node('bin/wiremark-mpirun --oversubscribe -n 2 wiremark run latency --bytes 8 --cell-time 10ms '
                  '--output /tmp/r.json')
    assert end.rc == 0, end.output
    (cell,) = result(node)["cells"]
    assert cell["status"] == "measured" and cell["ranks"] == 2 and cell["verify"]["wrong_elements"] == 0


def test_no_library_of_the_node_is_needed_but_glibc_s(on_node):
    end = on_node("LD_DEBUG=libs bin/wiremark list")
    loaded = re.findall(r"calling init: (\S.*)", end.output)
    assert end.rc == 0 and loaded, end.output
    foreign = [path for path in loaded if not path.startswith("/my programs/wire mark/")]
    assert {os.path.basename(path).split(".so")[0] for path in foreign} <= {"ld-linux-x86-64", "libc", "libm", "libdl",
                                                                          "librt", "libpthread", "ld-linux-aarch64"}
    assert any(path.endswith("/libmpi.so.40") for path in loaded), end.output


def test_tests_of_the_gpu_find_their_libraries(on_node, node):
    tests = [path.name for path in (node / "my programs/wire mark/bin").glob("*_test")]
    for name in tests:
        end = on_node(f"bin/{name}")
        assert end.rc == 0 and re.search(r"^\d+ passed, 0 failed", end.stdout, re.M), end.output
    assert tests or not list((node / "my programs/wire mark/tests/versus").iterdir())
    for program in (node / "my programs/wire mark/tests/versus").glob("bare_nccl"):
        assert "libcuda.so.1: cannot open" in on_node(f"tests/versus/{program.name}").stderr


def test_it_starts_from_other_folders_and_where_it_is_linked(on_node):
    assert on_node('cd / && "/my programs/wire mark/bin/wiremark" --version').rc == 0
    assert on_node("cd bin && sh wiremark --version").rc != 127
    assert on_node("cd bin && ./wiremark --version").rc == 0


def test_a_node_s_own_library_comes_first_where_it_fits(on_node, node):
    folder, library = node / "usr/local/own", "libnuma.so.1"
    spare = next((node / "my programs/wire mark/spare").glob("libibverbs*"), None)
    if spare is None:
        pytest.skip("this bundle needs no library that a node may have")
    library = spare.name
    folder.mkdir(parents=True)
    shutil.copy(spare / library, folder / library)
    end = on_node("LD_DEBUG=libs bin/wiremark list", "LD_LIBRARY_PATH=/usr/local/own")
    assert f"calling init: /usr/local/own/{library}" in end.output and end.rc == 0, end.output
    shutil.copy(spare.parent / library / library, folder / "broken")
    (folder / library).write_bytes((folder / "broken").read_bytes().replace(b"IBVERBS_1.", b"OTHERVER_."))
    end = on_node("LD_DEBUG=libs bin/wiremark list", "LD_LIBRARY_PATH=/usr/local/own")
    assert f"calling init: /my programs/wire mark/spare/{library}/{library}" in end.output and end.rc == 0, end.output
    shutil.rmtree(folder)


def test_a_folder_that_the_loader_cannot_name_is_refused(on_node, node):
    (node / "a:b").symlink_to("my programs/wire mark")
    assert on_node("cd /a:b && bin/wiremark --version").rc == 0  # the folder's own name has no colon
    (node / "a:b").unlink()
    (node / "my programs/wire mark").rename(node / "a:b")
    try:
        end = on_node(":")
        assert end.rc == 99
        end = launch.run([node / "a:b/bin/wiremark", "--version"], 60)
        assert end.rc == 1 and "the loader splits paths at : and ;" in end.stderr, end.output
    finally:
        (node / "a:b").rename(node / "my programs/wire mark")


def test_without_gpu_the_check_of_gpus_says_so_in_one_line(archive, tmp_path):
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path)
    (bundle,) = tmp_path.iterdir()
    end = launch.run([bundle / "bin/gpu-check", "--out", tmp_path / "out"], 60, env={"PATH": os.environ["PATH"]})
    if (pathlib.Path("/dev/nvidiactl")).exists():
        pytest.skip("this machine has a GPU")
    assert end.rc == 3 and end.stdout == "" and len(end.stderr.splitlines()) == 1, end.output
    assert "gpu-check: no GPU" in end.stderr
