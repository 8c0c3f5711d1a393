#!/usr/bin/python3
"""Validates result documents against the schema with a validator that is not ours.

usage: result_schema_check.py [DOCUMENT...]     without one: tests/golden/result.json

Also checks what a schema cannot say (unique ids, coverage that adds up), and that planted errors are rejected: a check
that accepts everything proves nothing. Exit status 0, 1, or 77 where jsonschema is not installed.
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
GOLDEN = ROOT / "tests/golden/result.json"
BASELINE = ROOT / "reports/schema/wiremark-baseline-1.schema.json"
NOT_BLESSED = {"histogram", "raw_ns", "pairs", "noise"}  # what a baseline leaves out of a cell
STATUSES = ("measured", "failed", "timeout", "skipped", "not_run")


def refuse(constant):
    raise ValueError(f"{constant} is not JSON")


def refuse_twice(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError(f"a member stands twice in {names}")
    return dict(pairs)


def load(text):
    return json.loads(text, parse_constant=refuse, object_pairs_hook=refuse_twice)


def errors(validator, document):
    """Messages, an empty list for a good document."""
    found = [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(document)]
    if found:
        return found
    ids = [cell["id"] for cell in document["cells"]]
    if len(set(ids)) != len(ids):
        found.append("an id stands twice")
    coverage = document["coverage"]
    counts = {status: sum(c["status"] == status for c in document["cells"]) for status in STATUSES}
    counts["planned"] = len(ids)
    found += [f"coverage.{k} is {coverage[k]}, {n} cells are so" for k, n in counts.items() if coverage[k] != n]
    for number, comparison in enumerate(document["comparisons"]):
        for name in ("points", "crossover_bytes"):
            if len(comparison[name]) != len(comparison["arms"]) - 1:
                found.append(f"comparisons[{number}].{name} does not have one element for each arm after the baseline")
    return found


def measured(document):
    return next(c for c in document["cells"] if c["status"] == "measured")


def not_run(document):
    return next(c for c in document["cells"] if c["status"] == "not_run")


# What to do to the golden document, and a part of the message that must come.
PLANTED = [
    (lambda d: d.update(schema="wiremark-result/2"), "schema"),
    (lambda d: d.pop("world"), "'world' is a required property"),
    (lambda d: d.pop("complete"), "'complete' is a required property"),
    (lambda d: d.update(surprise=1), "'surprise' was unexpected"),
    (lambda d: d.update(ended_utc="yesterday"), "ended_utc"),
    (lambda d: measured(d).pop("id"), "'id' is a required property"),
    (lambda d: measured(d).update(id=""), "id"),
    (lambda d: measured(d).update(bytes=-1), "less than the minimum"),
    (lambda d: measured(d).update(bytes=1.5), "not of type 'integer'"),
    (lambda d: measured(d).update(bytes="8"), "not of type 'integer'"),
    (lambda d: measured(d).update(status="passed"), "is not one of"),
    (lambda d: measured(d).update(dtype="int7"), "is not one of"),
    (lambda d: measured(d).update(simulated=0), "not of type 'boolean'"),
    (lambda d: measured(d).pop("time_ns"), "'time_ns' is a required property"),
    (lambda d: measured(d)["time_ns"].pop("median"), "'median' is a required property"),
    (lambda d: measured(d)["time_ns"].pop("ci95_low"), "'ci95_low' is a dependency"),
    (lambda d: measured(d)["time_ns"].update(median=None), "not of type 'number'"),
    (lambda d: measured(d)["time_ns"].update(median="nan"), "not of type 'number'"),
    (lambda d: measured(d)["time_ns"].update(median_us=1), "'median_us' was unexpected"),
    (lambda d: measured(d)["settings"].update(window=16), "not of type 'string'"),
    (lambda d: measured(d)["rank_time"].update(slowest_share=1.5), "greater than the maximum"),
    (lambda d: measured(d)["histogram"].append([1]), "too short"),
    (lambda d: measured(d)["limit"].pop("source"), "'source' is a required property"),
    (lambda d: measured(d)["limit"].update(kind="guess"), "is not one of"),
    (lambda d: measured(d)["limit"].update(bytes_per_s=0), "less than or equal to the minimum"),
    (lambda d: measured(d)["pairs"][0].pop("to"), "'to' is a required property"),
    (lambda d: not_run(d).pop("reason"), "'reason' is a required property"),
    (lambda d: d["comparisons"][0].update(interleaved=False), "'not_interleaved_reason' is a required property"),
    (lambda d: d["comparisons"][0].update(crossover_bytes=[]), "one element for each arm"),
    (lambda d: d.update(choices=[]), "choices"),
    (lambda d: d["choices"][0].pop("of"), "'of' is a required property"),
    (lambda d: d["choices"][0].update(crossovers=[]), "crossovers"),
    (lambda d: d["choices"][0]["points"][0].pop("algo"), "'algo' is a required property"),
    (lambda d: d["choices"][0]["points"][1].update(ratio=0), "less than or equal to the minimum"),
    (lambda d: d["choices"][0]["left_out"][0].pop("reason"), "'reason' is a required property"),
    (lambda d: d["coverage"].update(measured=7), "coverage.measured is 7, 1 cells are so"),
    (lambda d: d["coverage"].pop("not_run"), "'not_run' is a required property"),
    (lambda d: d["coverage"]["unavailable"].append({"name": "x"}), "'reason' is a required property"),
    (lambda d: d["cells"].append(copy.deepcopy(measured(d))), "an id stands twice"),
]
NOT_JSON = ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1, "a": 2}']


def check_planted(validator, golden):
    wrong = 0
    for number, (plant, message) in enumerate(PLANTED):
        document = copy.deepcopy(golden)
        plant(document)
        found = errors(validator, document)
        if not any(message in e for e in found):
            print(f"planted error {number} ({message}) was not found; got {found}")
            wrong += 1
    for text in NOT_JSON:
        try:
            load(text)
            print(f"accepted as JSON: {text}")
            wrong += 1
        except ValueError:
            pass
    return wrong


def check_baseline(schema):
    """A baseline holds all else that a cell has."""
    blessed = load(BASELINE.read_text(encoding="utf-8"))["properties"]["cells"]["items"]["properties"]
    missing = set(schema["$defs"]["cell"]["properties"]) - NOT_BLESSED - set(blessed)
    if missing:
        print(f"{BASELINE.name}: no {', '.join(sorted(missing))} of cells")
    return len(missing) > 0


def main(paths):
    schema = load(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    wrong = check_planted(validator, load(GOLDEN.read_text(encoding="utf-8")))
    for path in paths or [GOLDEN]:
        try:
            found = errors(validator, load(pathlib.Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError) as e:
            found = [str(e)]
        for e in found[:20]:
            print(f"{path}: {e}")
        wrong += bool(found)
    wrong += check_baseline(schema)
    checks = len(PLANTED) + len(NOT_JSON) + len(paths or [GOLDEN]) + 1
    print(f"{checks - wrong} passed, {wrong} failed, 0 skipped")
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
