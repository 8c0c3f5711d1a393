"""The include table is enforced: each rule, broken once in a small tree, is found; the tree without it passes."""
import shutil
import subprocess

import pytest

import launch

TREE = {
    "src/core/err.h": "",
    "src/core/err.c": '#include "src/core/err.h"\n',
    "src/stats/series.h": '#include "src/core/err.h"\n',
    "src/world/world.c": '#include <mpi.h>\n#include "src/core/err.h"\n',
    "src/transport/mpi.c": "#include <mpi.h>\n",
    "src/transport/mpi_coll.c": "#include <mpi.h>\n",
    "src/transport/registry.c": "#ifdef HAVE_VERBS\n#endif\n",
    "src/cli/main.c": '#include "src/stats/series.h"\n#include "generated/version.h"\n',
    "src/cli/command.h": "",
    "p2p/latency.c": '#include "src/core/err.h"\n',
    "tests/mpi/one.c": '#include <mpi.h>\n#include "src/cli/command.h"\n',
}

VIOLATIONS = {
    "upwards": ("src/core/err.c", '#include "src/stats/series.h"', "src/core may not include src/stats"),
    "sideways": ("src/stats/series.h", '#include "src/transport/x.h"', "src/stats may not include src/transport"),
    "of the command line": ("p2p/latency.c", '#include "src/cli/command.h"', "p2p may not include src/cli"),
    "of a test": ("p2p/latency.c", '  #  include "tests/check.h"', 'p2p may not include "tests/check.h"'),
    "not from the root": ("src/core/err.c", '#include "err.h"', '"err.h" does not exist'),
    "of nothing": ("src/cli/main.c", '#include "src/core/gone.h"', '"src/core/gone.h" does not exist'),
    "of MPI in a benchmark": ("p2p/latency.c", "#include <mpi.h>", "<mpi.h> stands only in"),
    "of MPI in another transport": ("src/transport/null.c", "#include <mpi.h>", "<mpi.h> stands only in"),
    "of MPI in a file that only begins so": ("src/transport/mpix.c", "#include <mpi.h>", "<mpi.h> stands only in"),
    "component by ifdef": ("src/transport/null.c", "#ifdef HAVE_VERBS", "HAVE_VERBS may stand only in a registry.c"),
    "component by if": ("p2p/latency.c", "#if X && defined(HAVE_CUDA)", "HAVE_CUDA may stand only in a registry.c"),
    "folder without a line": ("src/extra/new.c", "", "this folder has no line"),
}


@pytest.fixture
def tree(tmp_path):
    for path, text in {**TREE, "src/transport/x.h": "", "tests/check.h": ""}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "scripts").mkdir()
    shutil.copy(launch.ROOT / "scripts/ladder.txt", tmp_path / "scripts")
    return tmp_path


def ladder(tree):
    command = ["python3", launch.ROOT / "scripts/ladder", tree]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_tree_that_keeps_the_rules_passes(tree):
    end = ladder(tree)
    assert (end.returncode, end.stdout) == (0, "")


@pytest.mark.parametrize("path, line, message", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_a_planted_violation_is_found_with_its_place(tree, path, line, message):
    text = TREE.get(path, "\n")
    (tree / path).parent.mkdir(exist_ok=True)
    (tree / path).write_text(text + line + "\n")
    where = 1 if line == "" else text.count("\n") + 1
    end = ladder(tree)
    assert end.returncode == 1
    assert end.stdout.startswith(f"{path}:{where}: ") and end.stdout.count("\n") == 1, end.stdout
    assert message in end.stdout
