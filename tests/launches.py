#!/usr/bin/env python3
"""Writes synthetic launches: result documents with known medians, a known scatter and a planted slow-down.

    tests/launches.py FOLDER PREFIX --launches 5 --cells 115 --seed 1 [--slow 40:0.05] [--histogram BINS]

Cells are sizes of benchmarks, 23 sizes each. A launch is off by --common as a whole and by --own in each cell, both
normal and relative. The same seed gives the same files.
"""
import argparse
import json
import math
import os
import random

SIZES = 23


def cell_of(index, ranks=2):
    curve, size = divmod(index, SIZES)
    bench = ("latency", "allreduce", "alltoall", "broadcast", "reduce")[curve % 5]
    settings = {} if curve < 5 else {"window": str(curve)}
    nbytes = 1 << size
    name = "".join(f" {k}={v}" for k, v in settings.items())
    cell = {
        "id": f"bench={bench} transport=mpi path=host mem=host bytes={nbytes} dtype=int8 algo=native ranks={ranks} "
              f"hosts=2 placement=cross-host{name}",
        "bench": bench, "transport": "mpi", "path": "host", "mem": "host", "bytes": nbytes, "ranks": ranks, "hosts": 2,
        "placement": "cross-host", "algo": "native", "dtype": "int8",
    }
    if settings:
        cell["settings"] = settings
    return cell, 1500.0 + nbytes / 10.0


def measured(cell, median):
    cell.update(simulated=False, status="measured", time_ns={
        "median": median, "ci95_low": median * 0.995, "ci95_high": median * 1.005, "min": median * 0.9,
        "mean": median * 1.01, "mad": median * 0.01, "max": median * 3, "samples": 5000, "batch": 1,
        "converged": True, "stalls": 0})
    rate = cell["bytes"] / median * 1e9
    if cell["bench"] != "latency":
        cell["bandwidth"] = {"alg_bytes_per_s": rate, "bus_bytes_per_s": rate}
    return cell


def head(run, seed):
    return {
        "schema": "wiremark-result/1",
        "tool": {"version": "0.1.0", "commit": "", "components": "none"},
        "run": {"id": run, "started_utc": "2026-11-22T16:12:40Z", "argv": ["wiremark", "run"], "seed": seed,
                "precision": 0.02},
        "world": {"ranks": [{"rank": r, "host": f"h{r}", "local_rank": 0, "cpus": "0"} for r in range(2)]},
        "environment": {"kernel": "Linux 6.1", "mpi": "Open MPI v4.1.4", "versions": {"nccl": "2.28.9"},
                        "clock": {"cost_ns": 20, "resolution_ns": 1}, "variables": {}},
    }


def write(path, run, seed, cells, foot=None):
    """A document as wiremark writes it: the head's members, then a cell a line, then the foot."""
    with open(path, "w", encoding="utf-8") as to:
        to.write("{\n")
        for key, value in head(run, seed).items():
            to.write(f'"{key}": {json.dumps(value, separators=(",", ":"))},\n')
        to.write('"cells": [\n')
        count = 0
        for cell in cells:
            to.write((",\n" if count else "") + json.dumps(cell, separators=(",", ":")))
            count += 1
        end = {"comparisons": [], "coverage": {"planned": count, "measured": count, "failed": 0, "timeout": 0,
               "skipped": 0, "not_run": 0, "unavailable": []}, "ended_utc": "2026-11-22T16:20:00Z",
               "ended_by": "finished", "complete": True, **(foot or {})}
        to.write("\n],\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in end.items()) + "\n}\n")


def launch(number, cells, seed, common=0.007, own=0.007, slow=None, histogram=0, shift=0.0):
    """The cells of one launch; slow is {index: share}."""
    dice = random.Random(f"{seed} {number}")
    whole = common * dice.gauss(0, 1) + math.log1p(shift)
    bins = [[float(f"{1000 * 1.01 ** k:.6g}"), k + 1] for k in range(histogram)]
    for index in range(cells):
        cell, base = cell_of(index)
        median = base * math.exp(whole + own * dice.gauss(0, 1) + math.log1p((slow or {}).get(index, 0)))
        measured(cell, round(median, 6))
        if histogram:
            cell["histogram"] = bins
        yield cell


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("prefix")
    parser.add_argument("--launches", type=int, default=5)
    parser.add_argument("--cells", type=int, default=115)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--common", type=float, default=0.007)
    parser.add_argument("--own", type=float, default=0.007)
    parser.add_argument("--slow", default="", help="CELL:SHARE")
    parser.add_argument("--histogram", type=int, default=0, help="bins a cell")
    conf = parser.parse_args()
    slow = {}
    if conf.slow:
        index, share = conf.slow.split(":")
        slow[int(index)] = float(share)
    for k in range(conf.launches):
        path = os.path.join(conf.folder, f"{conf.prefix}{k}.json")
        write(path, f"{conf.prefix}-{conf.seed}-{k}", conf.seed,
              launch(f"{conf.prefix}{k}", conf.cells, conf.seed, conf.common, conf.own, slow, conf.histogram))


if __name__ == "__main__":
    main()
