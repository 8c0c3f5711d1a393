#!/usr/bin/python3
"""Validates topologies, {"kinds": [...]}, against the result's schema with a validator that is not ours.

usage: topology_schema_check.py [FILE...]     without one: tests/golden/topology.json

Planted errors must be rejected: a check that accepts everything proves nothing. What a schema cannot say is checked
here: references lead to something. Exit status 0, 1, or 77 where jsonschema is not installed.
"""

import copy
import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "reports/schema/wiremark-result-1.schema.json"
GOLDEN = ROOT / "tests/golden/topology.json"


def dangling(kind):
    """References to what is not there."""
    addresses = {f["address"] for f in kind.get("pci", [])}
    nodes = {n["os_index"] for n in kind.get("numa", [])}
    names = {r["name"] for r in kind.get("rdma", [])}
    found = []
    for part in ("pci", "gpus", "rdma", "netifs"):
        for i, item in enumerate(kind.get(part, [])):
            for member, known in (("parent", addresses), ("pci", addresses), ("numa", nodes), ("rdma", names)):
                if member in item and item[member] not in known:
                    found.append(f"{part}[{i}].{member}: {item[member]} is not there")
    for i, link in enumerate(kind.get("nvlinks", [])):
        if max(link["from"], link.get("to", 0)) >= len(kind.get("gpus", [])):
            found.append(f"nvlinks[{i}]: no such GPU")
    return found


def errors(validator, document):
    found = [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(document)]
    return found or [f"kinds[{k}].{e}" for k, kind in enumerate(document["kinds"]) for e in dangling(kind)]


# What to do to the first kind of the golden file, and a part of the message that must come.
PLANTED = [
    (lambda k: k.update(surprise=1), "'surprise' was unexpected"),
    (lambda k: k.update(cores=0), "less than the minimum"),
    (lambda k: k.update(machine=""), "too short"),
    (lambda k: k["numa"][0].pop("os_index"), "'os_index' is a required property"),
    (lambda k: k["numa"][0].update(os_index=-1), "less than the minimum"),
    (lambda k: k["numa"][0].update(memory_bytes=1.5), "not of type 'integer'"),
    (lambda k: k["pci"][0].pop("address"), "'address' is a required property"),
    (lambda k: k["pci"][0].update(address="18:00.0"), "does not match"),
    (lambda k: k["pci"][0].update(vendor="15b3"), "does not match"),
    (lambda k: k["pci"][0].update(acs="on"), "is not one of"),
    (lambda k: k["pci"][0].update(bridge=False), "True was expected"),
    (lambda k: k["pci"][1].update(link_gt_per_s=0), "less than or equal to the minimum"),
    (lambda k: k["pci"][1].update(parent="0000:99:00.0"), "0000:99:00.0 is not there"),
    (lambda k: k["pci"][1].update(numa=3), "numa: 3 is not there"),
    (lambda k: k["gpus"][0].update(nvlink_gb_per_s=1), "'nvlink_gb_per_s' was unexpected"),
    (lambda k: k["nvlinks"][0].update(to=2), "no such GPU"),
    (lambda k: k["rdma"][1]["ports"][0].update(fabric="unknown"), "is not one of"),
    (lambda k: k["rdma"][1]["ports"][0].update(bytes_per_s="fast"), "not of type 'number'"),
    (lambda k: k["rdma"][1]["ports"][0]["gids"][0].update(gid="fe80::1"), "does not match"),
    (lambda k: k["rdma"][1]["ports"][0]["counters"][0].pop("value"), "'value' is a required property"),
    (lambda k: k["netifs"][0].update(rdma="mlx5_9"), "mlx5_9 is not there"),
    (lambda k: k["notes"][0].pop("reason"), "'reason' is a required property"),
]


def check_planted(validator, golden):
    wrong = 0
    for number, (plant, message) in enumerate(PLANTED):
        document = copy.deepcopy(golden)
        plant(document["kinds"][0])
        found = errors(validator, document)
        if not any(message in e for e in found):
            print(f"planted error {number} ({message}) was not found; got {found}")
            wrong += 1
    return wrong


def main(paths):
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    part = {"$schema": schema["$schema"], "$ref": "#/$defs/topology", "$defs": schema["$defs"]}
    jsonschema.Draft202012Validator.check_schema(part)
    validator = jsonschema.Draft202012Validator(part)
    wrong = check_planted(validator, json.loads(GOLDEN.read_text(encoding="utf-8")))
    for path in paths or [GOLDEN]:
        try:
            found = errors(validator, json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError) as e:
            found = [str(e)]
        for e in found[:20]:
            print(f"{path}: {e}")
        wrong += bool(found)
    print(f"{len(PLANTED) + len(paths or [GOLDEN]) - wrong} passed, {wrong} failed, 0 skipped")
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
