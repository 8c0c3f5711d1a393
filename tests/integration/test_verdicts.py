"""compare, gate and bless on synthetic launches with a planted slow-down, on faults of all kinds, and on hostile files."""
import csv
import io
import json
import os

import jsonschema
import pytest

import launches
from launch import ROOT

pytestmark = pytest.mark.slow  # many small launches of the program: too long for the short test

CELLS = 46  # two curves


@pytest.fixture
def run(wiremark, start):
    """run(subcommand, *words) -> how it ended."""
    return lambda *words: start([wiremark, *map(str, words)]).finish(60)


@pytest.fixture
def make(tmp_path):
    """make(prefix, n=5, edit=None, **launch) -> paths of n launches; edit(cells, k) changes the k-th one's cells."""

    def write(prefix, n=5, edit=None, foot=None, head=None, seed=1, cells=CELLS, **more):
        paths = []
        for k in range(n):
            made = list(launches.launch(f"{prefix}{k}", cells, seed, **more))
            if edit:
                made = edit(made, k) or made
            path = tmp_path / f"{prefix}{k}.json"
            launches.write(path, f"{prefix}-{seed}-{k}", seed, made, foot)
            if head:
                text = path.read_text().split('"cells": [', 1)
                path.write_text(head(text[0]) + '"cells": [' + text[1])
            paths.append(path)
        return paths

    return write


def faults(name, document):
    """What a validator that is not ours finds wrong in it."""
    result, own = ((ROOT / f"reports/schema/wiremark-{kind}-1.schema.json").read_text() for kind in ("result", name))
    result = json.loads(result)
    own = json.loads(own.replace(result["$id"] + "#", "#"))  # what it takes of the other's stands in its own
    own["$defs"] = {**result["$defs"], **own.get("$defs", {})}
    jsonschema.Draft202012Validator.check_schema(own)
    return [error.message for error in jsonschema.Draft202012Validator(own).iter_errors(document)]


def verdicts_of(end):
    """The document, validated."""
    document = json.loads(end.stdout)
    assert not faults("verdicts", document)
    return document


def gate(run, results, baseline, *more):
    end = run("gate", *results, "--baseline", *baseline, "--format", "json", *more)
    assert end.stdout, end.output
    document = verdicts_of(end)
    assert document["exit_status"] == end.rc
    ledger = document["coverage"]
    assert ledger["judged"] + ledger["not_judged"] == ledger["required"]
    assert ledger["passed"] + ledger["failed"] == ledger["judged"]
    return end.rc, document


def test_synthetic_launches_are_results(make, load_result):
    load_result(make("a", 1)[0])


def test_pass_and_regression(run, make, tmp_path):
    good = make("a")
    baseline = tmp_path / "good.json"
    end = run("bless", *good, "-o", baseline)
    assert end.rc == 0 and f"5 launches of {CELLS} cells" in end.stdout
    rc, document = gate(run, make("b"), [baseline])
    assert rc == 0 and document["coverage"]["passed"] == CELLS
    rc, document = gate(run, make("c", slow={30: 0.05}), [baseline])
    worst = document["verdicts"][0]
    assert rc == 1 and document["coverage"]["failed"] == 1
    assert worst["judgement"] == "fail" and worst["change"] == "slower" and "bench=allreduce" in worst["name"]
    assert 1.03 < worst["ratio"]["value"] < 1.07 and worst["ratio"]["low"] > 1
    assert worst["p"] <= 0.05 and not worst["config_changed"]
    tolerance = document["test"]["tolerance_to_pass"]
    assert 0.03 < tolerance < 0.08
    rc, _ = gate(run, make("c", slow={30: 0.05}), [baseline], "--tolerance", f"{tolerance + 0.001}")
    assert rc == 0


def test_baseline_gives_what_its_launches_give(run, make, tmp_path):
    good, bad = make("a"), make("c", slow={30: 0.05})
    assert run("bless", *good, "-o", tmp_path / "good.json").rc == 0
    _, blessed = gate(run, bad, [tmp_path / "good.json"])
    _, plain = gate(run, bad, good)
    assert blessed["verdicts"] == plain["verdicts"] and blessed["curves"] == plain["curves"]


def test_a_whole_curve(run, make):
    """Cells scatter by 1 %, a curve by a fifth of that: 4 % at every size fails it."""
    rc, document = gate(run, make("b", slow={k: 0.04 for k in range(23, 46)}), make("a", common=0.002, own=0.01))
    assert rc == 1
    worst = document["curves"][0]
    assert worst["judgement"] == "fail" and worst["curve_of"] == "allreduce" and "bytes=" not in worst["name"]


def test_many_launches_draw_relabellings(run, make):
    rc, document = gate(run, make("b", 8, slow={3: 0.05}), make("a", 8))
    assert rc == 1 and document["test"]["relabellings"] == 1000 and not document["test"]["exact"]


@pytest.mark.parametrize("a, b, missing", [(3, 3, (1, 1)), (1, 1, (3, 3)), (5, 1, (0, 2)), (4, 4, None), (3, 5, None)])
def test_too_few_launches(run, make, a, b, missing):
    rc, document = gate(run, make("b", b, slow={3: 0.5}), make("a", a))
    if missing is None:
        assert rc == 1
        return
    assert rc == 3 and document["coverage"]["not_judged_why"] == {"few-launches": CELLS}
    assert (document["missing"]["baseline_launches"], document["missing"]["judged_launches"]) == missing
    assert f"missing are {missing[0]} of the baseline and {missing[1]} judged" in document["verdicts"][0]["reason"]
    end = run("compare", *[f"a{k}.json" for k in range(a)], "--to", *[f"b{k}.json" for k in range(b)])
    assert end.rc == 0 and f"{CELLS} inconclusive" in end.stdout


def test_too_wide(run, make):
    rc, document = gate(run, make("b", own=0.06), make("a", own=0.06))
    assert rc == 3 and set(document["coverage"]["not_judged_why"]) == {"too-wide"}
    worst = document["verdicts"][0]
    assert worst["missing"]["judged_launches"] > 0 and "is not excluded" in worst["reason"]


def status(name, **more):
    def edit(cells, k):
        if k == 2:
            for key in ("time_ns", "bandwidth"):
                cells[7].pop(key, None)
            cells[7].update(status=name, reason="rank 1 said no", **more)

    return edit


def change(index, **more):
    def edit(cells, k):
        cells[index].update(more)

    return edit


@pytest.mark.parametrize("why, edit, words", [
    ("timeout", status("timeout"), "timed out in a judged launch: rank 1 said no"),
    ("skipped", status("skipped"), "skipped in a judged launch: rank 1 said no"),
    ("not-run", status("not_run"), "ended before it"),
    ("simulated", change(7, simulated=True), "nothing was measured"),
    ("contradicted", change(7, evidence={"verdict": "contradicted", "reason": "eth0 carried it"}), "eth0 carried it"),
    ("above-bound", change(7, limit={"bytes_per_s": 1e6, "share": 1.3, "kind": "link", "source": "x"}), "1.3 times"),
    ("partly-measured", lambda cells, k: cells[:7] + cells[8:] if k == 2 else None, "only some"),
    ("absent", lambda cells, k: cells[:7] + cells[8:], "no judged launch has it"),
])
def test_what_was_not_measured_never_passes(run, make, why, edit, words):
    rc, document = gate(run, make("b", edit=edit), make("a"))
    assert rc == 3 and document["coverage"]["not_judged_why"] == {why: 1}
    assert words in document["verdicts"][0]["reason"]
    # A regression elsewhere outranks it.
    rc, document = gate(run, make("c", slow={30: 0.05}, edit=edit), make("a"))
    assert rc == 1 and document["coverage"]["not_judged"] == 1


def test_failed_cell_fails(run, make):
    rc, document = gate(run, make("b", edit=status("failed")), make("a"))
    assert rc == 1 and "it failed in a judged launch: rank 1 said no" in document["verdicts"][0]["reason"]
    # Evidence does not excuse it.
    edit = status("failed", evidence={"verdict": "contradicted", "reason": "eth0 carried it"})
    assert gate(run, make("b", edit=edit), make("a"))[0] == 1


def test_wrong_data_fail_whatever_the_status(run, make, tmp_path):
    wrong = change(7, verify={"checked_bytes": 64, "wrong_elements": 3})
    rc, document = gate(run, make("b", edit=wrong), make("a"))
    assert rc == 1 and "its data arrived wrong" in document["verdicts"][0]["reason"]
    assert run("bless", *make("b", edit=wrong), "-o", tmp_path / "good.json").rc == 2


def test_unfinished_baseline_requires_nothing_less(run, make, tmp_path):
    foot = {"complete": False, "ended_by": "signal"}
    good = make("a", edit=lambda cells, k: cells[:10], foot=foot)
    rc, document = gate(run, make("b"), good)
    assert rc == 3 and document["coverage"]["not_judged_why"] == {"not-run": 5}
    assert "did not come to its end" in document["verdicts"][0]["reason"]
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"schema": "wiremark-policy/1", "required": ["bench=latency * bytes=1 *"]}))
    assert gate(run, make("b"), good, "--policy", policy)[0] == 0


def test_simulated_and_missing_cells_are_not_compared(run, make):
    def edit(cells, k):
        if k == 1:
            cells[7].update(simulated=True)
        return cells[:7] + cells[8:] if k == 2 else cells

    end = run("compare", *make("a"), "--to", *make("b", edit=edit), "--format", "json")
    document = verdicts_of(end)
    odd = [v for v in document["verdicts"] if v["change"] == "inconclusive"]
    assert [v["why"] for v in odd] == ["partly-measured"] and "p" not in odd[0]
    assert all(v["ratio"]["low"] > 0.9 and v["p"] > 0 for v in document["curves"])


@pytest.mark.parametrize("a, b, family_error", [(3, 3, 0.1), (4, 4, 0.0286), (1, 39, 0.05), (2, 4, 0.1334)])
def test_as_few_launches_as_can_decide(run, make, tmp_path, a, b, family_error):
    """Where 2 / C(n + m, n) is the error asked for, rounding must not make them too few."""
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"schema": "wiremark-policy/1", "family_error": family_error}))
    rc, document = gate(run, make("b", b, cells=2, slow={1: 0.5}), make("a", a, cells=2), "--policy", policy)
    assert rc == 1 and "few-launches" not in document["coverage"]["not_judged_why"]


def test_another_unit_is_no_progress(run, make):
    def edit(cells, k):
        for name in ("median", "ci95_low", "ci95_high", "min", "max"):
            cells[3]["time_ns"][name] /= 1000

    rc, document = gate(run, make("b", edit=edit), make("a"))
    assert rc == 3 and document["coverage"]["not_judged_why"] == {"above-bound": 1}
    assert "times as fast as its baseline" in document["verdicts"][0]["reason"]


def test_an_estimate_may_be_exceeded(run, make):
    limit = {"bytes_per_s": 1e6, "share": 1.3, "kind": "estimate", "source": "x"}
    rc, document = gate(run, make("b", edit=change(7, limit=limit)), make("a"))
    assert rc == 0 and not document["findings"]


def test_null_is_the_harness(run, make, tmp_path):
    def null(cells, k):
        for cell in cells:
            cell.update(transport="null", simulated=True, id=cell["id"].replace("=mpi", "=null"))

    assert run("bless", *make("a", edit=null), "-o", tmp_path / "null.json").rc == 0
    rc, _ = gate(run, make("b", edit=null), [tmp_path / "null.json"])
    assert rc == 0


@pytest.mark.parametrize("more, words", [
    ({"edit": status("timeout")}, "was not measured (1 such cell): not a baseline"),
    ({"edit": change(7, simulated=True)}, "is simulated"),
    ({"edit": change(7, evidence={"verdict": "contradicted"})}, "is contradicted by its evidence"),
    ({"edit": change(7, limit={"share": 1.1, "kind": "link"})}, "is above its limit"),
    ({"edit": lambda cells, k: cells[:7] + cells[8:] if k == 2 else None}, "another launch has it"),
    ({"foot": {"complete": False}}, "did not come to its end"),
])
def test_bless_refuses(run, make, tmp_path, more, words):
    end = run("bless", *make("a", **more), "-o", tmp_path / "good.json")
    assert end.rc == 2 and words in end.stderr
    assert not [name for name in os.listdir(tmp_path) if "good" in name or "tmp" in name]


def test_bless_overwrites_only_when_told(run, make, tmp_path):
    good = make("a")
    assert run("bless", *good, "-o", tmp_path / "good.json").rc == 0
    end = run("bless", *good, "-o", tmp_path / "good.json")
    assert end.rc == 2 and "overwrite it with --force" in end.stderr
    assert run("bless", *good, "-o", tmp_path / "good.json", "--force").rc == 0
    document = json.loads((tmp_path / "good.json").read_text())
    assert not faults("baseline", document)
    assert faults("baseline", {**document, "cells": [{**document["cells"][0], "status": "timeout"}]})
    assert faults("baseline", {**document, "cells": [{**document["cells"][0], "pairs": []}]})
    end = run("bless", tmp_path / "good.json", "-o", tmp_path / "again.json")
    assert end.rc == 2 and "blessed already" in end.stderr


def test_a_copied_launch_is_refused(run, make, tmp_path):
    """A copy under another run id would be a second observation of nothing."""
    good, bad = make("a"), make("b")
    copy = tmp_path / "copy.json"
    copy.write_text(good[1].read_text().replace('"a-1-1"', '"other"'))
    baseline = tmp_path / "baseline.json"
    assert run("bless", *good, "-o", baseline).rc == 0
    for words in (["gate", *bad, "--baseline", *good, copy], ["gate", *bad, copy, "--baseline", *good],
                  ["gate", *bad, copy, "--baseline", baseline], ["compare", *good, copy, "--to", *bad],
                  ["bless", *good, copy, "-o", tmp_path / "new.json"]):
        end = run(*words)
        assert end.rc == 2 and not end.stdout, end.output
        assert "hold the same times in every cell" in end.stderr and str(copy) in end.stderr
        assert (str(good[1]) in end.stderr or str(baseline) in end.stderr) and "run other" in end.stderr
    assert not (tmp_path / "new.json").exists()


def test_config_changed(run, make):
    newer = lambda text: text.replace('"nccl":"2.28.9"', '"nccl":"2.29.1"')
    rc, document = gate(run, make("b", slow={30: 0.05}, head=newer), make("a"))
    assert rc == 1 and document["differences"] == [
        {"name": "environment.versions.nccl", "baseline": "2.28.9", "judged": "2.29.1", "within_a_side": False}]
    assert document["verdicts"][0]["config_changed"]
    end = run("gate", *[f"b{k}.json" for k in range(5)], "--baseline", *[f"a{k}.json" for k in range(5)])
    assert end.stdout.index("environment.versions.nccl: 2.28.9 -> 2.29.1") < end.stdout.index("bench=allreduce")
    assert "config changed" in end.stdout and "hardware slower" not in end.stdout
    end = run("gate", *make("c", slow={30: 0.05}), "--baseline", *[f"a{k}.json" for k in range(5)])
    assert "same configuration: hardware slower" in end.stdout


@pytest.mark.parametrize("before, after", [
    ({"provider": "verbs"}, {"provider": "tcp"}),
    ({"evidence": {"algorithm": "RING", "protocol": "SIMPLE"}}, {"evidence": {"algorithm": "RING", "protocol": "LL128"}}),
], ids=["provider", "nccl-protocol"])
def test_what_carried_one_cell_changed(run, make, before, after):
    end, document = gate(run, make("b", edit=change(30, **after)), make("a", edit=change(30, **before)))
    assert [v["name"] for v in document["verdicts"] if v["config_changed"]] == [
        v["name"] for v in document["verdicts"] if "allreduce" in v["name"] and " bytes=128 " in v["name"]]


def test_a_suspected_fallback_is_a_finding_of_its_curve(run, make, tmp_path):
    def paths(cells, k):
        for path, cell in zip(("direct", "staged"), cells):
            cell.update(path=path, id=f"bench=latency transport=mpi path={path} mem=device bytes=1")
            launches.measured(cell, 1000.0 + k)

    of = [f"bench=latency transport=mpi path={path} mem=device" for path in ("direct", "staged")]
    good = make("a", edit=paths)
    for suspected, expected in ((True, [of[0]]), (False, [])):
        compared = {"bench": "latency", "baseline": "path=direct", "varies": ["path"], "arms": ["path=direct", "path=staged"],
                    "of": of, "interleaved": True, "points": [[]], "crossover_bytes": [None], "suspected_fallback": suspected}
        rc, document = gate(run, make("b", edit=paths, foot={"comparisons": [compared], "complete": True}, seed=2), good)
        found = [f for f in document["findings"] if "suspected_fallback" in f["text"]]
        assert rc == 0 and [f["name"] for f in found] == expected and all(f["kind"] == "staged" for f in found)
    policy = tmp_path / "policy.json"
    policy.write_text('{"schema": "wiremark-policy/1", "fatal": ["staged"]}')
    # The baseline's suspicion is not the judged machine's.
    rc, _ = gate(run, good, make("c", edit=paths, foot={"comparisons": [{**compared, "suspected_fallback": True}], "complete": True}, seed=3),
                 "--policy", policy)
    assert rc == 0
    compared["suspected_fallback"] = True
    rc, _ = gate(run, make("b", edit=paths, foot={"comparisons": [compared], "complete": True}, seed=2), good, "--policy", policy)
    assert rc == 1


def test_findings(run, make, tmp_path):
    def odd(cells, k):
        for cell in cells:
            if cell["bench"] == "allreduce" and cell["bytes"] == 1 << 22:
                launches.measured(cell, cell["time_ns"]["median"] * 2)
        pair = {"from": 0, "to": 1, "median_ns": 1000.0}
        cells[3]["pairs"] = [pair, {"from": 1, "to": 0, "median_ns": 1500.0}]
        for k, path in ((4, "direct"), (5, "staged")):
            cells[k].update(bytes=64, path=path, settings={"window": "1"},
                            id=f"bench=latency transport=mpi path={path} mem=host bytes=64")
            launches.measured(cells[k], 2000.0 - k)
        for bench in ("reduce", "broadcast"):
            cells.append(launches.measured({**cells[30], "bench": bench,
                                            "id": cells[30]["id"].replace("allreduce", bench)}, 10.0))

    results = make("b", edit=odd)
    rc, document = gate(run, results, make("a"))
    kinds = {f["kind"] for f in document["findings"]}
    assert kinds == {"falling", "asymmetry", "composed", "staged"}
    texts = " ".join(f["text"] for f in document["findings"])
    assert "1.50 times as long one way" in texts and "together take less" in texts and "is it direct?" in texts
    assert "at 4M, after" in texts
    for kind in kinds:
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps({"schema": "wiremark-policy/1", "fatal": [kind], "required": ["*bytes=1 *"]}))
        rc, document = gate(run, results, [f"a{k}.json" for k in range(5)], "--policy", policy)
        assert rc == 1 and {f["kind"] for f in document["findings"] if f["fatal"]} == {kind}
    policy.write_text(json.dumps({"schema": "wiremark-policy/1", "fatal": [], "required": ["*bytes=1 *"]}))
    rc, document = gate(run, results, [f"a{k}.json" for k in range(5)], "--policy", policy)
    assert rc == 0


def test_policy(run, make, tmp_path):
    policy = tmp_path / "policy.json"
    good, bad = make("a"), make("b", slow={30: 0.05})

    def judged(**text):
        policy.write_text(json.dumps({"schema": "wiremark-policy/1", **text}))
        assert not faults("policy", json.loads(policy.read_text()))
        return gate(run, bad, good, "--policy", policy)

    assert judged()[0] == 1
    assert judged(tolerance=0.08)[0] == 0
    assert judged(rules=[{"cells": "*bytes=128 *", "tolerance": 0.2}])[0] == 0
    assert judged(rules=[{"cells": "*bytes=256 *", "tolerance": 0.2}])[0] == 1
    assert judged(excluded=0.04, rules=[{"cells": "*bytes=128 *", "tolerance": 0.2}], required=["*bytes=128 *"])[0] == 0
    policy.write_text(json.dumps({"schema": "wiremark-policy/1", "rules": [{"cells": "bench=lateny *", "tolerance": 0.01}]}))
    end = run("gate", *good, "--baseline", *make("c"), "--policy", policy)
    assert end.rc == 0 and "policy.json: no cell matches the rule for 'bench=lateny *'" in end.stderr
    rc, document = judged(required=["bench=latency *"])
    assert rc == 0 and document["coverage"]["required"] == 23 and document["coverage"]["not_required"] == 23
    rc, document = judged(required=["bench=latency *", "bench=nowhere *"])
    assert rc == 3 and "no cell matches it" in document["verdicts"][0]["reason"]


@pytest.mark.parametrize("text, words", [
    ('{"schema": "wiremark-policy/1",\n"tolerence": 0.1}', ":2: tolerence: unknown key (did you mean tolerance?)"),
    ('{"schema": "wiremark-policy/2"}', ':1: schema: "wiremark-policy/2" is not wiremark-policy/1'),
    ('{"schema": "wiremark-policy/1",\n\n"tolerance": -1}', ":3: tolerance: wanted is a number from 0.001"),
    ('{"schema": "wiremark-policy/1", "tolerance": NaN}', ":1:"),
    ('{"schema": "wiremark-policy/1", "tolerance": 0.1, "tolerance": 0.2}', "duplicate object key"),
    ('{"schema": "wiremark-policy/1",\n"required": []}', ":2: required: "),
    ('{"schema": "wiremark-policy/1",\n"reference_launches": 2.5}', ":2: reference_launches: wanted is a whole number"),
    ('{"schema": "wiremark-policy/1",\n"fatal": ["everything"]}', ":2: fatal: [0] is not one of"),
    ('{"schema": "wiremark-policy/1",\n"rules": [{"cells": "*", "tolerance": 0.1, "x\\u001b[2J": 1}]}', "unknown key"),
    ('{"schema": "wiremark-policy/1"', ":1:"),
    ("{}", ":1: it names no schema"),
    ("", "not JSON"),
])
def test_bad_policy(run, make, tmp_path, text, words):
    policy = tmp_path / "policy.json"
    policy.write_text(text)
    end = run("gate", *make("b", 1), "--baseline", *make("a", 1), "--policy", policy)
    assert end.rc == 2 and not end.stdout and words in end.stderr and end.stderr.count("\n") == 1
    if text.endswith("}") and "NaN" not in text and "duplicate" not in words:
        assert faults("policy", json.loads(text))


def test_the_policy_of_the_docs(run, make, tmp_path):
    policy = tmp_path / "policy.json"
    text = (ROOT / "docs/verdicts.md").read_text().split("## Policy")[1].split("```json\n")[1].split("```")[0]
    policy.write_text(text)
    assert not faults("policy", json.loads(text))
    assert run("gate", *make("b"), "--baseline", *make("a"), "--policy", policy).rc == 0


def replaced(old, new, count=1):
    return lambda text: text.replace(old, new, count)


@pytest.mark.parametrize("damage, words", [
    (lambda text: "hello", "not a wiremark result"),
    (lambda text: "", "the file is empty"),
    (lambda text: "{}", "it names no schema"),
    (lambda text: text[:len(text) // 2], "bad.json:"),
    (lambda text: text[:text.index('"comparisons"')], "truncated"),
    (replaced("wiremark-result/1", "wiremark-result/2"), 'schema "wiremark-result/2" is not wiremark-result/1'),
    (replaced('"median":', '"median":NaN,"x":'), "bad.json:8: "),
    (replaced('"bytes":1,', '"bytes":9223372036854775808,'), "too big integer"),
    (replaced('"bytes":1,', '"bytes":-1,'), "cell: bytes is not a whole number"),
    (replaced('"median":', '"median":1e999,"x":'), "real number overflow"),
    (replaced('"min":', '"min":1e9,"x":'), "time_ns.median is outside of time_ns.min to time_ns.max"),
    (replaced('"alg_bytes_per_s":', '"alg_bytes_per_s":1e15,"x":'), "their units contradict each other"),
    (replaced('"id":"b-1-0"', '"id":""'), "run.id is missing"),
    (replaced('"status":"measured"', '"status":"timeout","status":"measured"'), "duplicate object key"),
    (replaced('"comparisons"', '"cells": [],\n"comparisons"'), "duplicate object key"),
    (lambda text: replaced('"min":', '"min":1e9,"x":')(replaced("bench=latency transport=mpi", "\\u001b[2J\\n\\u009b1mx")(text)), "'?[2J???1mx"),
    (replaced('"bytes":2,', '"bytes":3,'), "bytes of cell 'bench=latency"),
    (lambda text: text.replace(text.splitlines()[8], text.splitlines()[7]), "is there twice"),
])
def test_bad_result(run, make, tmp_path, damage, words):
    good = make("a", 1)
    text = damage(make("b", 1)[0].read_text())
    (tmp_path / "bad.json").write_text(text)
    for words_of in (("gate", "bad.json", "--baseline", *good), ("compare", *good, "--to", "bad.json"),
                     ("bless", "bad.json", "a0.json", "-o", "new.json")):
        end = run(*words_of, *(() if words_of[0] == "bless" else ("-o", "new.json")))
        if "is not what it is" in end.stderr and words_of[0] == "bless":
            continue
        assert end.rc == 2 and not end.stdout and words in end.stderr, end.output
        assert end.stderr.count("\n") == 1 and "bad.json" in end.stderr
        assert not (tmp_path / "new.json").exists()


def test_nothing_to_test_is_not_too_few(run, make):
    end = run("gate", *make("b", cells=0), "--baseline", *make("a"))
    assert end.rc == 3 and "no cell is measured in all of them" in end.stdout and "too few" not in end.stdout
    end = run("gate", *make("c"), "--baseline", *make("d", cells=0))
    assert end.rc == 3 and "nothing is required: the baseline has no cells" in end.stdout


def test_the_same_launch_counts_once(run, make, tmp_path):
    good = make("a", 2)
    end = run("compare", good[0], good[0], "--to", good[1])
    assert end.rc == 2 and "a launch counts once" in end.stderr
    end = run("compare", good[0], "--to", good[0])
    assert end.rc == 2 and "is on both sides" in end.stderr


def test_laid_out_anew(run, make, tmp_path):
    for k, path in enumerate(make("a", 4) + make("b", 4)):
        path.write_text(json.dumps(json.loads(path.read_text()), indent=2 if k % 2 else None))
    rc, _ = gate(run, [f"b{k}.json" for k in range(4)], [f"a{k}.json" for k in range(4)])
    assert rc == 0


HOSTILE = 'x"\'<script>alert(1)</script>|`::error::\x1b[2J\r\n,=1+1 @all & é \x9b\u202e\u2028'


def test_hostile_names(run, make, tmp_path):
    def name(cells, k):
        cells[0].update(id=HOSTILE, reason=HOSTILE, provider=HOSTILE[-40:])
        cells[1].update(id="\x1b]0;x\x07", status="skipped", reason=HOSTILE)
        cells[1].pop("time_ns")
        cells[2].update(id='=HYPERLINK("http://example.org")')

    results, good = make("b", 4, edit=name), make("a", 4, edit=name)
    for form in ("text", "markdown", "csv", "json"):
        end = run("gate", *results, "--baseline", *good, "--all", "--format", form)
        assert end.rc == 3 and "Traceback" not in end.stderr
        if form in ("text", "markdown"):
            assert not any(ord(c) < 32 and c != "\n" for c in end.stdout) and "\x9b" not in end.stdout
            assert "\u202e" not in end.stdout and "\u2028" not in end.stdout and "é" in end.stdout
        if form == "markdown":
            assert "<" not in end.stdout and "`" not in end.stdout and "@" not in end.stdout
            rows = [line for line in end.stdout.splitlines() if line.startswith("|")]
            assert rows and all(line.count("|") == 8 for line in rows)
        if form == "csv":
            rows = list(csv.reader(io.StringIO(end.stdout, newline="")))
            assert len({len(row) for row in rows}) == 1 and HOSTILE in [row[0] for row in rows]
            assert not any(text[:1] in ("=", "+", "@") for row in rows for text in row)
            assert """'=HYPERLINK("http://example.org")""" in [row[0] for row in rows]
        if form == "json":
            assert any(v["name"] == HOSTILE for v in verdicts_of(end)["verdicts"])


def test_files_behind_options(run, make, tmp_path):
    a, b = make("a", 4), make("b", 4)
    assert run("gate", "--baseline", *a, "--all", *b).rc == 0
    assert run("gate", f"--baseline={a[0]}", *a[1:], "--format", "text", *b).rc == 0
    end = run("compare", "--to", *b, "--format=csv", a[0], a[1], a[2], a[3])
    assert end.rc == 0 and len(end.stdout.splitlines()) == CELLS + 3
    for words in (("gate", *b), ("compare", *a), ("bless", *a), ("gate", "--baseline", *a),
                  ("gate", *b, "--baseline", a[0], "--reference", a[0])):
        end = run(*words)
        assert end.rc == 2 and "takes" in end.stderr
    end = run("gate", "nowhere.json", "--baseline", *a)
    assert end.rc == 3 and "nowhere.json" in end.stderr


# ---- references

def device(head):
    pci = [{"address": f"0000:0{k}:00.0", "vendor": "0x10de", "device": "0x2330"} for k in range(8)]
    return head + '"topology": ' + json.dumps({"kinds": [{"machine": "x", "hosts": ["h0", "h1"], "pci": pci}]}) + ",\n"


def entry(**more):
    conditions = {"hardware": [{"pci": "10de:2330", "count": 8}], "bench": "allreduce", "bytes": 1 << 22, "wire": "nvlink",
                  **more.pop("conditions", {})}
    return {"name": "x", "value": 5, "unit": "GB/s", "kind": "threshold", "figure": "bus-bandwidth",
            "source": "https://example.org/x", "conditions": conditions, **more}


def write_reference(path, *entries):
    path.write_text(json.dumps({"schema": "wiremark-reference/1", "entries": list(entries)}, indent=1))
    return path


@pytest.mark.parametrize("more, rc, words", [
    ({}, 0, ""),
    ({"value": 11}, 1, "no launch reaches it"),
    ({"value": 10, "kind": "measured"}, 0, ""),
    ({"value": 10.9, "kind": "measured"}, 1, "no launch reaches it"),
    ({"value": 6, "kind": "bound"}, 3, "cannot be exceeded"),
    ({"value": 500, "unit": "us", "figure": "latency"}, 0, ""),
    ({"value": 300, "unit": "us", "figure": "latency"}, 1, "no launch reaches it"),
    ({"value": 80, "unit": "Gb/s"}, 1, "no launch reaches it"),
    ({"value": 76, "unit": "Gb/s"}, 0, ""),
    ({"conditions": {"bytes": 3}}, 3, "no launch measured it: run allreduce of 3 bytes"),
    ({"conditions": {"library": "nccl >= 2.28"}}, 0, ""),
    ({"conditions": {"library": "nccl >= 2.30"}}, 3, "which is not here"),
    ({"conditions": {"library": "ucx >= 1"}}, 3, "does not say its version"),
    ({"conditions": {"hardware": [{"pci": "10de:2330", "count": 4}]}}, 3, None),
    ({"conditions": {"hardware": [{"pci": "10de:2335"}]}}, 3, None),
    ({"conditions": {"nodes": 3}}, 3, None),
])
def test_reference(run, make, tmp_path, more, rc, words):
    reference = write_reference(tmp_path / "reference.json", entry(**more))
    results = make("b", 5, head=device, common=0.001, own=0.001)
    end = run("gate", *results, "--reference", reference, "--format", "json")
    document = verdicts_of(end)
    assert end.rc == rc == document["exit_status"], end.output
    if words is None:
        assert document["coverage"]["required"] == 0
        assert "nothing is required" in run("gate", *results, "--reference", reference).stdout
    else:
        assert words in document["verdicts"][0].get("reason", "")


def test_reference_needs_launches(run, make, tmp_path):
    reference = write_reference(tmp_path / "reference.json", entry(value=11))
    end = run("gate", *make("b", 4, head=device), "--reference", reference)
    assert end.rc == 3 and "4 of 5 launches: 1 more are needed" in end.stdout
    policy = tmp_path / "policy.json"
    policy.write_text('{"schema": "wiremark-policy/1", "reference_launches": 4}')
    assert run("gate", *make("b", 4, head=device), "--reference", reference, "--policy", policy).rc == 1


def test_reference_figure_that_some_launches_lack(run, make, tmp_path):
    def edit(cells, k):
        if k > 0:
            cells[45].pop("bandwidth")

    reference = write_reference(tmp_path / "reference.json", entry())
    end = run("gate", *make("b", head=device, edit=edit), "--reference", reference)
    assert end.rc == 3 and "no bus-bandwidth in each judged launch" in end.stdout


def test_reference_where_one_launch_lost_a_device(run, make, tmp_path):
    left = iter((device, device, lambda head: device(head).replace("0x2330", "0xffff", 1), device, device))
    one = {"hardware": [{"pci": "10de:2330"}]}
    reference = write_reference(tmp_path / "reference.json", entry(), entry(name="any", conditions=one))
    end = run("gate", *make("b", head=lambda head: next(left)(head)), "--reference", reference)
    assert end.rc == 3 and "4 of 5 launches ran on this hardware" in end.stdout and "1 passed" in end.stdout


def test_reference_bound_of_one_launch(run, make, tmp_path):
    def edit(cells, k):
        if k == 2:
            launches.measured(cells[45], 3e5)

    reference = write_reference(tmp_path / "reference.json", entry(), entry(name="most", value=13, kind="bound"))
    end = run("gate", *make("b", head=device, edit=edit), "--reference", reference)
    assert end.rc == 3 and "better than a bound" in end.stdout

    def timeout(cells, k):
        cells[44].update(status="timeout")
    reference = write_reference(tmp_path / "reference.json", entry(),
                                entry(name="most", value=13, kind="bound", conditions={"bytes": 1 << 21}))
    end = run("gate", *make("b", head=device, edit=timeout), "--reference", reference, "--all")
    assert end.rc == 0 and "1 not required" in end.stdout and "nan" not in end.stdout


@pytest.mark.parametrize("required, rc, words", [
    ("bench=allreduce * bytes=4194304 *", 0, ""),
    ("bench=nowhere *", 3, "no cell matches it"),
    ("bench=latency * bytes=8 *", 3, "no reference whose conditions are met here is for it"),
])
def test_policy_requires_beside_references(run, make, tmp_path, required, rc, words):
    reference = write_reference(tmp_path / "reference.json", entry())
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"schema": "wiremark-policy/1", "required": [required]}))
    end = run("gate", *make("b", head=device), "--reference", reference, "--policy", policy)
    assert end.rc == rc and words in end.stdout, end.output


def test_reference_says_what_is_wanted(run, make, tmp_path):
    reference = write_reference(tmp_path / "reference.json", entry(value=11), entry(name="y", conditions={"bench": "put"}))
    results = make("b", head=device)
    text = run("gate", *results, "--reference", reference).stdout
    assert "no launch measured it: run put of 4194304 bytes" in text and "-1" not in text and "nan" not in text
    table = run("gate", *results, "--reference", reference, "--format", "markdown").stdout
    assert "| 11 GB/s (threshold) | 9." in table and "| 5 GB/s (threshold) | nothing measured |" in table


@pytest.mark.parametrize("more, words", [
    ({"value": 2333}, "above what the hardware carries"),
    ({"value": 2333, "conditions": {"hardware": [{"pci": "ffff:0000"}]}}, "a slip of units?"),
    ({"value": 2, "unit": "ns", "figure": "latency"}, "nothing answers within 10 ns"),
    ({"source": "hearsay!"}, "neither an address nor a document"),
])
def test_lint_finds(run, tmp_path, more, words):
    others = [entry(name=f"o{k}", value=4 + k) for k in range(3)]
    path = write_reference(tmp_path / "reference.json", *others, entry(**more))
    assert not faults("reference", json.loads(path.read_text()))
    end = run("gate", "--lint-reference", path)
    assert end.rc == 1 and words in end.stdout and "4 entries, 1 fault" in end.stdout, end.output


@pytest.mark.parametrize("more, words", [
    ({"unit": "us"}, "us is no unit of bus-bandwidth"),
    ({"unit": "GBps"}, '"GBps" is not one of'),
    ({"source": ""}, "source: "),
    ({"kind": "hope"}, '"hope" is not one of bound, measured'),
    ({"value": "5"}, "value is not a number above 0"),
    ({"valeu": 5}, "unknown key (did you mean value?)"),
    ({"conditions": {"hardware": []}}, "a free name holds for nothing"),
    ({"conditions": {"hardware": [{"pci": "H100"}]}}, "wanted is a PCI id"),
    ({"conditions": {"bytes": 0}}, "whole number of at least 1"),
])
def test_bad_reference(run, make, tmp_path, more, words):
    path = write_reference(tmp_path / "reference.json", entry(name="first"), entry(**more))
    assert faults("reference", json.loads(path.read_text()))
    for argv in (("gate", "--lint-reference", path), ("gate", *make("b", 1), "--reference", path)):
        end = run(*argv)
        assert end.rc == 2 and not end.stdout and words in end.stderr and "reference.json:" in end.stderr, end.output


def test_lint_does_not_pass_for_a_gate(run, make, tmp_path):
    """As where a pattern of the shell found no results."""
    path, good = write_reference(tmp_path / "reference.json", entry()), make("a")
    for words in (["--baseline", *good], ["--reference", path], make("b", 1)):
        end = run("gate", "--lint-reference", path, *words)
        assert end.rc == 2 and "--lint-reference judges nothing" in end.stderr and not end.stdout, end.output


@pytest.mark.parametrize("path", sorted((ROOT / "reports/reference").glob("*.json")), ids=lambda path: path.name)
def test_shipped_references(run, path):
    end = run("gate", "--lint-reference", path)
    assert end.rc == 0 and "0 faults" in end.stdout, end.output
    assert not faults("reference", json.loads(path.read_text()))


@pytest.mark.slow
def test_a_real_regression(mpirun, wiremark, run, tmp_path):
    """End to end: sim's delay is the slow-down. Simulated cells are compared, and never pass."""
    for side, delay in (("a", "5ms"), ("b", "60ms")):
        for k in range(4):
            end = mpirun(2, wiremark, "run", "latency", "--transport", "sim", "--sim-delay", delay, "--bytes", "8",
                         "--cell-time", "0.1s", "--format", "none", "--output", f"{side}{k}.json")
            assert end.rc == 0, end.output
    sides = [tmp_path / f"a{k}.json" for k in range(4)], [tmp_path / f"b{k}.json" for k in range(4)]
    for path in sides[1]:  # the delay is part of what a cell is: here it stands for what broke unseen
        path.write_text(path.read_text().replace("sim-delay=60000000ns", "sim-delay=5000000ns"))
    end = run("compare", *sides[0], "--to", *sides[1])
    assert end.rc == 0 and "1 slower" in end.stdout and "hardware slower" in end.stdout, end.output
    end = run("gate", *sides[1], "--baseline", *sides[0])
    assert end.rc == 3 and "nothing was measured" in end.stdout
    for path in sides[0] + sides[1]:
        path.write_text(path.read_text().replace('"simulated":true', '"simulated":false'))
    rc, document = gate(run, sides[1], sides[0])
    assert rc == 1 and document["verdicts"][0]["ratio"]["value"] > 1.5
