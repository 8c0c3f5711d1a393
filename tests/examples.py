"""What runs the examples on this machine: stand-ins for mpirun and PATH, small sizes, and baselines good and bad."""
import json
import os
import shutil

import launch

# Nothing waits for another rank, which on a busy machine takes a hundred times as long now and then.
SMALL = "latency allreduce --transport null --bytes 8,4K --cell-time 5ms"
# Any machine passes with it: what is asserted is the way of the verdict, not a time.
PASSES = "--tolerance 1000%"

MPIRUN = """#!/bin/sh
# Any number of ranks is 2, here.
while case ${1:-} in -*) true ;; *) false ;; esac; do
    case $1 in -n) shift 2 ;; *) shift ;; esac
done
exec %s 2 "$@"
"""


def tools(folder, wiremark):
    """A folder for PATH with wiremark, wiremark-launches and a mpirun that stays on this machine; and its environment."""
    folder.mkdir()
    (folder / "wiremark").symlink_to(wiremark)
    (folder / "wiremark-launches").symlink_to(launch.ROOT / "scripts/wiremark-launches")
    (folder / "mpirun").write_text(MPIRUN % (launch.ROOT / "scripts/mpirun-local"))
    (folder / "mpirun").chmod(0o755)
    # The launcher's own, which the stand-in hides.
    mpirun = shutil.which(os.environ.get("WM_MPIRUN", "mpirun"))
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "WM_MPIRUN": mpirun}


def plant_regression(baseline, to):
    """Writes the baseline of a machine that was a hundred times as fast."""
    with open(baseline) as file:
        document = json.load(file)
    for cell in document["cells"]:
        for name in ("median", "ci95_low", "ci95_high", "min", "mean", "mad", "max", "p90", "p99", "p999"):
            if name in cell["time_ns"]:
                cell["time_ns"][name] /= 100
        for rates, name in ((cell.get("bandwidth", {}), "alg_bytes_per_s"), (cell.get("bandwidth", {}), "bus_bytes_per_s"),
                            (cell, "message_rate_per_s")):
            if name in rates:
                rates[name] *= 100
        cell.pop("limit", None)  # which it would break
    lines = ",\n".join(json.dumps(cell) for cell in document.pop("cells"))
    head = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
    to.write_text("{\n" + head + ',\n"cells": [\n' + lines + "\n]\n}\n")
