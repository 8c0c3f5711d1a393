"""Results of any size that no machine has measured: figures from a seeded random walk, in the form that wiremark writes."""
import json
import math
import random

BENCHES = ("latency", "bandwidth", "allreduce", "alltoall")


def histogram(random_, median):
    low, bins = median * 0.9, []
    for i in range(30):
        count = int(400 * math.exp(-((i - 11) / 5) ** 2) + random_.random() * 3)
        if count > 0:
            bins.append([float(f"{low * 1.01 ** i:.6g}"), count])
    return bins


def cell(random_, bench, curve, size, **more):
    median = (1500 + 40 * (curve % 50) + size / 12.5) * (1 + random_.gauss(0, 0.01))
    rate = size / median * 1e9
    identity = f"bench={bench} transport=mpi path=host mem=host bytes={size} dtype=int8 algo=native ranks=16 hosts=4 placement=mixed"
    return {
        "id": f"{identity} window={curve}", "bench": bench, "transport": "mpi", "path": "host", "mem": "host", "bytes": size,
        "ranks": 16, "hosts": 4, "placement": "mixed", "algo": "native", "dtype": "int8", "settings": {"window": str(curve)},
        "simulated": False, "status": "measured",
        "time_ns": {"median": median, "ci95_low": median * 0.991, "ci95_high": median * 1.012, "min": median * 0.9,
                    "mean": median * 1.03, "mad": median * 0.02, "p90": median * 1.11, "p99": median * (1.3 + random_.random()),
                    "max": median * (3 + random_.random()), "samples": random_.randrange(200, 9000), "batch": 1,
                    "converged": random_.random() < 0.9, "stalls": random_.randrange(3)},
        "rank_time": {"slowest_rank": random_.randrange(16), "slowest_share": random_.random(), "skew_ns": random_.random() * 90},
        "bandwidth": {"alg_bytes_per_s": rate, "bus_bytes_per_s": rate * 1.875},
        "histogram": histogram(random_, median),
        "verify": {"checked_bytes": 4 * size, "wrong_elements": 0},
        "limit": {"bytes_per_s": 25e9, "share": min(1.0, rate * 1.875 / 25e9), "kind": "link",
                  "source": "port of mlx5_0 on the host of rank 0, 16 ranks share it"},
        "evidence": {"verdict": "proven", "fabric": "ib", "claims": [{"host": "h0", "fabric": "ib", "device": "mlx5_0/1", "how": "its own"}],
                     "counters": [{"host": "h0", "device": "mlx5_0/1", "unit": "bytes", "sent": random_.randrange(10 ** 9),
                                   "received": random_.randrange(10 ** 9)}]},
        "noise": {"foreign_cpu": random_.random() / 50, "steal": 0.0, "involuntary_switches": random_.randrange(30), "oversubscribed": False},
        **more,
    }


def cells(n, seed=1):
    """n cells of some benchmarks, 20 sizes a curve."""
    random_ = random.Random(seed)
    for i in range(n):
        yield cell(random_, BENCHES[i // 20 % len(BENCHES)], i // 20, 1 << (i % 20))


def document(coverage, **more):
    return {
        "schema": "wiremark-result/1", "tool": {"version": "0.1.0"},
        "run": {"id": "5e1f", "started_utc": "2026-11-22T16:12:40Z", "argv": ["run"], "seed": 1, "precision": 0.02},
        "world": {"ranks": [{"rank": r, "host": f"h{r // 4}", "local_rank": r % 4, "cpus": str(r % 4)} for r in range(16)]},
        "environment": {"kernel": "Linux", "mpi": "Open MPI", "variables": {}},
        "comparisons": [], "coverage": {**{"planned": 0, "measured": 0, "failed": 0, "timeout": 0, "skipped": 0, "not_run": 0,
                                           "unavailable": []}, **coverage},
        "ended_utc": "2026-11-22T16:20:00Z", "ended_by": "finished", "complete": True, **more,
    }


def write(path, all_cells, **more):
    """A cell a line, as wiremark does; the coverage is counted. Members of the document may be given."""
    count = {"planned": 0}
    head, foot = dict(document({}, **more)), {}
    for name in ("comparisons", "choices", "coverage", "ended_utc", "ended_by", "complete"):
        if name in head:
            foot[name] = head.pop(name)
    with open(path, "w") as file:
        file.write("{\n" + "".join(f"{json.dumps(k)}: {json.dumps(v)},\n" for k, v in head.items()) + '"cells": [\n')
        for i, one in enumerate(all_cells):
            file.write((",\n" if i else "") + json.dumps(one, separators=(",", ":")))
            count["planned"] += 1
            count[one["status"]] = count.get(one["status"], 0) + 1
        foot["coverage"] = {**foot["coverage"], **count}
        file.write("\n],\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in foot.items()) + "\n}\n")
