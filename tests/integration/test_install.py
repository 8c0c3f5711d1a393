"""What install-deps says and does, where nothing may be installed; what make install lays down and takes away."""
import os
import re
import shutil
import subprocess

import pytest

import launch

BASE = ["bash", "sh", "cat", "dirname", "env", "grep", "head", "id", "mktemp", "printf", "readlink", "rm", "sed", "tail", "uname"]
PACKAGES = {
    "build": ["make", "gcc", "pkg-config", "libopenmpi-dev", "libjansson-dev", "libhwloc-dev"],
    "run": ["openmpi-bin"],
    "test": ["clang", "cppcheck", "shellcheck", "mandoc", "mpich", "valgrind", "iproute2", "nodejs", "npm",
             "chromium", "zlib1g-dev", "slurm-client"],
}


@pytest.fixture
def bare(tmp_path):
    """A PATH with the usual small tools and nothing to build with, nor to install it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BASE:
        (folder / name).symlink_to(shutil.which(name))
    return folder


def install_deps(path, part):
    # Not this environment: it may name tools by their paths.
    return subprocess.run([launch.ROOT / "scripts/install-deps", *part], env={"PATH": str(path)}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("part", PACKAGES)
def test_what_is_missing_is_named_with_its_reason_where_nothing_can_be_installed(bare, part):
    end = install_deps(bare, [part])
    named = {line.split()[0]: line for line in end.stdout.splitlines() if line.startswith("  ")}
    assert end.returncode == 3 and "no apt-get" in end.stdout, end.stdout
    assert set(PACKAGES["build"]) | set(PACKAGES[part]) <= set(named), end.stdout
    assert all(len(line.split()) > 3 for line in named.values()), end.stdout


def installable(packages):
    said = subprocess.run(["apt-cache", "policy", *packages], env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True).stdout
    return set(re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: [^(]", said, re.M))


@pytest.mark.skipif(not shutil.which("apt-cache") or not installable(["make"]), reason="no lists of Debian's packages here")
def test_every_package_that_is_named_can_be_installed(bare):
    (bare / "apt-cache").symlink_to(shutil.which("apt-cache"))
    named = {line.split()[0] for line in install_deps(bare, ["test"]).stdout.splitlines() if line.startswith("  ")}
    assert len(named) > 20 and named - installable(named) == set()


def test_another_processors_tools_are_asked_for_only_where_it_is_another(bare):
    named = install_deps(bare, ["test"]).stdout
    assert ("gcc-aarch64-linux-gnu" in named) == (os.uname().machine != "aarch64")
    (bare / "uname").unlink()
    (bare / "uname").write_text("#!/bin/sh\necho aarch64\n")
    (bare / "uname").chmod(0o755)
    named = install_deps(bare, ["test"]).stdout
    assert "clang" in named and "aarch64" not in named and "qemu" not in named


def test_nothing_is_missing_here_and_nothing_is_said():
    end = subprocess.run([launch.ROOT / "scripts/install-deps", "build"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (end.returncode, end.stdout) == (0, b"")


@pytest.mark.parametrize("words", [[], ["all"], ["--help"]])
def test_other_words_are_refused(bare, words):
    end = install_deps(bare, words)
    assert (end.returncode, end.stdout) == (2, "usage: scripts/install-deps build|run|test\n")


def make(goal, to):
    # With the same BUILD, word by word, nothing is built anew.
    end = subprocess.run(["make", goal, f"BUILD={os.environ.get('BUILD', 'build')}", f"DESTDIR={to}", "PREFIX=/opt/wm"],
                         cwd=launch.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert end.returncode == 0, end.stdout
    return sorted(str(path.relative_to(to)) for path in to.rglob("*") if path.is_file())


def test_install_lays_down_what_runs_and_uninstall_takes_it_away(tmp_path):
    files = make("install", tmp_path)
    for name in ("bin/wiremark", "bin/wiremark-launches", "share/man/man1/wiremark.1", "share/wiremark/wiremark-result-1.schema.json",
                 "share/bash-completion/completions/wiremark", "share/doc/wiremark/examples/read_result.py"):
        assert f"opt/wm/{name}" in files, files
    said = subprocess.run([tmp_path / "opt/wm/bin/wiremark", "--version"], stdout=subprocess.PIPE, text=True)
    assert said.returncode == 0 and said.stdout.startswith("wiremark "), said.stdout
    assert make("uninstall", tmp_path) == []
