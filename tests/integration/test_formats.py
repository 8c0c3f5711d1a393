"""The formats that other programs read, each by a reader of its own: xmllint, a strict parser, a decoder of escapes."""
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

import openmetrics
from launch import ROOT
from test_verdicts import CELLS, HOSTILE, device, entry, make, run, status, write_reference  # noqa: F401

pytestmark = pytest.mark.slow  # many small launches of the program: too long for the short test

FORMATS = ("text", "markdown", "csv", "json", "summary", "junit", "github", "openmetrics", "prometheus", "reframe",
           "smaller-is-better", "bigger-is-better")
OF_GATE = ("junit", "github", "reframe")
# Control characters as they are shown, in every line format.
SHOWN = re.sub("[\x9b\u2028\u202e]", "\ufffd", HOSTILE.replace("\x1b", "\u241b"))
ODD = "\x01\x7f\x85\u2028\u202e\ufffe\ud83d\ude00 ##[error]x ]]> --> {}\t%0A%25\\n\\"


@pytest.fixture
def written(run, tmp_path):
    """written(command, *words) -> exit status and {format: text}, of all formats at once."""

    def go(command, *words):
        formats = [f for f in FORMATS if command == "gate" or f not in OF_GATE]
        end = run(command, *words, "--write", *[f"{f}:{tmp_path / f}.out" for f in formats])
        assert not end.stderr, end.output
        return end.rc, {f: (tmp_path / f"{f}.out").read_bytes().decode() for f in formats}

    return go


# ---- the readers

def junit(text, path):
    """Cases of a valid document: {(class, name): (ending, message, text)}, and the suite."""
    path.write_bytes(text.encode())
    end = subprocess.run(["xmllint", "--noout", "--nonet", "--huge", "--schema", ROOT / "tests/junit.xsd", path],
                         capture_output=True, text=True, check=False)
    assert end.returncode == 0, end.stderr
    assert not re.search(r'time="[^"]*[^0-9."]', text)
    suite, = ElementTree.parse(path).getroot()
    cases = {}
    for case in suite.findall("testcase"):
        ends = [e for e in case if e.tag != "system-out"]
        ending = (ends[0].tag, ends[0].get("message"), ends[0].text or "") if ends else ("pass", "", "")
        assert (case.get("classname"), case.get("name")) not in cases
        cases[case.get("classname"), case.get("name")] = ending
    kinds = [ending[0] for ending in cases.values()]
    assert int(suite.get("tests")) == len(cases)
    for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(name)) == kinds.count(kind)
    return cases, suite


def decode(text, also):
    """As the runner does; any other percent is a fault."""
    codes = {"%25": "%", "%0D": "\r", "%0A": "\n", **also}
    return re.sub("%..", lambda found: codes[found[0]], text)


def annotations(text):
    """[(command, title, message)]; every line is one, none beyond 10 a kind."""
    assert text.endswith("\n")
    said = []
    for line in text[:-1].split("\n"):
        command, title, message = re.fullmatch(r"::(error|warning|notice) title=([^,:\r]*)::([^\r]*)", line).groups()
        said.append((command, decode(title, {"%3A": ":", "%2C": ","}), decode(message, {})))
    for kind in ("error", "warning", "notice"):
        assert sum(command == kind for command, _, _ in said) <= 10
    return said


def figures(text):
    """ReFrame's lines behind the sanity line: {name: (value, unit)}."""
    assert text.isascii() and text.endswith("\n") and all(c.isprintable() for c in text.replace("\n", ""))
    first, *lines = text[:-1].split("\n")
    assert re.fullmatch(r"wiremark-gate: (pass|fail|not-judged), \d+ of \d+ required judged, \d+ failed", first)
    found = [re.fullmatch(r"([\w=.:+/%,-]+) (\d+\.?\d*) (ns|B/s|1)", line).groups() for line in lines]
    assert len({name for name, _, _ in found}) == len(found)
    return first, {unescape(name): (float(value), unit) for name, value, unit in found}


def unescape(name):
    raw = re.sub(b"%(..)", lambda found: bytes([int(found[1], 16)]), name.replace(",", " ").encode())
    return raw.decode()


def entries(text):
    """{name: entry} of github-action-benchmark."""
    assert text.endswith("]\n") and not set("<>&") & set(text)
    found = json.loads(text)
    for one in found:
        assert set(one) == {"name", "unit", "value", "range", "extra"} and isinstance(one["value"], (int, float))
        assert all(isinstance(one[key], str) for key in set(one) - {"value"})
    assert len({one["name"] for one in found}) == len(found)
    return {one["name"]: one for one in found}


def metrics(texts):
    """Samples of OpenMetrics; those of Prometheus are the same and a time."""
    samples = openmetrics.read(texts["openmetrics"], True)
    textfile = openmetrics.read(texts["prometheus"], False)
    assert textfile.pop(("wiremark_completion_timestamp_seconds", ())) > 1.7e9
    assert textfile == samples
    return samples


def check_all(texts, path):
    for form in OF_GATE:
        assert form not in texts or texts[form]
    metrics(texts)
    entries(texts["smaller-is-better"])
    entries(texts["bigger-is-better"])
    if "junit" in texts:
        junit(texts["junit"], path)
        annotations(texts["github"])
        figures(texts["reframe"])
    for form in set(texts) - {"json", "csv"}:
        assert not any(ord(c) < 32 and c != "\n" or 0x7f <= ord(c) < 0xa0 for c in texts[form])


# ---- what they hold

def test_a_regression_in_all_formats(written, make, tmp_path):
    rc, texts = written("gate", *make("b", slow={30: 0.05}), "--baseline", *make("a"))
    document = json.loads(texts["json"])
    worst = document["verdicts"][0]
    assert rc == 1
    check_all(texts, tmp_path / "junit.xml")

    cases, suite = junit(texts["junit"], tmp_path / "junit.xml")
    failed = [key for key, ending in cases.items() if ending[0] != "pass"]
    assert failed == [("wiremark.cell.allreduce", worst["name"])] and len(cases) == CELLS + 3
    assert cases[failed[0]][:2] == ("failure", worst["reason"]) and "ratio 1.05" in cases[failed[0]][2]
    assert suite.get("timestamp") == "2026-11-22T16:12:40"
    times = [float(case.get("time")) for case in suite.findall("testcase")]
    assert float(suite.get("time")) == pytest.approx(sum(times), abs=1e-7)

    said = annotations(texts["github"])
    assert [(command, title) for command, title, _ in said] == [
        ("error", "wiremark gate"), ("error", f"FAIL: {worst['name']}")]
    assert f"FAIL: {CELLS} of {CELLS} required cells judged" in said[0][2]
    assert said[1][2].startswith(worst["reason"] + "\n1.51 us -> ")

    samples = metrics(texts)
    labels = (("kind", "cell"), ("name", worst["name"]))
    assert samples["wiremark_exit_status", ()] == 1
    assert samples["wiremark_cells", (("state", "failed"),)] == 1
    assert samples["wiremark_verdict", labels] == 1
    assert samples["wiremark_time_ratio", labels] == pytest.approx(worst["ratio"]["value"], rel=1e-5)
    assert samples["wiremark_time_seconds", labels] == pytest.approx(worst["judged"]["median_ns"] / 1e9, rel=1e-5)
    assert samples["wiremark_rate_bytes_per_second", labels] == pytest.approx(worst["judged"]["bytes_per_s"], rel=1e-5)
    assert sum(name == "wiremark_verdict" for name, _ in samples) == CELLS + 2

    first, lines = figures(texts["reframe"])
    assert first == f"wiremark-gate: fail, {CELLS} of {CELLS} required judged, 1 failed"
    assert lines["time:" + worst["name"]] == (pytest.approx(worst["judged"]["median_ns"], abs=1e-3), "ns")
    assert lines["rate:" + worst["name"]] == (pytest.approx(worst["judged"]["bytes_per_s"], abs=1), "B/s")
    assert lines["ratio:" + worst["name"]] == (pytest.approx(worst["ratio"]["value"], abs=1e-6), "1")

    slow, fast = entries(texts["smaller-is-better"]), entries(texts["bigger-is-better"])
    assert len(slow) == CELLS and len(fast) == CELLS // 2
    assert slow[worst["name"]]["value"] == pytest.approx(worst["judged"]["median_ns"])
    assert slow[worst["name"]]["unit"] == "ns" and fast[worst["name"]]["unit"] == "B/s"
    assert fast[worst["name"]]["value"] == pytest.approx(worst["judged"]["bytes_per_s"])
    low, high = map(float, fast[worst["name"]]["range"].split(" to "))
    assert low < fast[worst["name"]]["value"] < high
    assert "time ratio to the baseline 1.05" in slow[worst["name"]]["extra"]


def test_an_independent_reader_of_metrics(written, make):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="python3-prometheus-client")
    textfile = pytest.importorskip("prometheus_client.parser")
    _, texts = written("gate", *make("b", 4, edit=hostile), "--baseline", *make("a", 4, edit=hostile))
    ours = metrics(texts)
    for reader, text in ((parser, texts["openmetrics"]), (textfile, texts["prometheus"])):
        theirs = {(s.name, tuple(sorted(s.labels.items()))): s.value
                  for family in reader.text_string_to_metric_families(text) for s in family.samples}
        theirs.pop(("wiremark_completion_timestamp_seconds", ()), None)
        assert theirs == ours


def test_same_lines_from_night_to_night(written, make):
    """Another cell is slow, other figures: names, labels and their order stay."""
    baseline = make("a")
    names = []
    for prefix, slow in (("b", 30), ("c", 3)):
        _, texts = written("gate", *make(prefix, slow={slow: 0.05}), "--baseline", *baseline)
        names.append([line.rsplit(" ", 1)[0] for line in texts["openmetrics"].splitlines()])
    assert names[0] == names[1]


def skip_all(cells, k):
    for cell in cells:
        for key in ("time_ns", "bandwidth"):
            cell.pop(key, None)
        cell.update(status="skipped", reason="no: such, card")


def test_ten_of_a_kind(written, make, tmp_path):
    """Those of the head count: what failed and what could not be judged, worst first."""
    rc, texts = written("gate", *make("b", slow={k: 0.05 + k / 100 for k in range(CELLS)}), "--baseline", *make("a"))
    said = annotations(texts["github"])
    worst = [v["name"] for v in json.loads(texts["json"])["curves"]]
    assert rc == 1 and len(said) == 10 and {command for command, _, _ in said} == {"error"}
    assert f"{CELLS} failed" in said[0][2] and "2 curves failed" in said[0][2]
    assert [title for _, title, _ in said[1:3]] == [f"FAIL: {name}" for name in worst]
    rc, texts = written("gate", *make("c", edit=skip_all), "--baseline", *[tmp_path / f"a{k}.json" for k in range(5)])
    said = annotations(texts["github"])
    assert rc == 3 and len(said) == 11 and f"NOT JUDGED: 0 of {CELLS}" in said[0][2]
    assert said[0][0] == "error" and {command for command, _, _ in said[1:]} == {"warning"}
    assert said[1][1].startswith("not judged: bench=") and "no: such, card" in said[1][2]
    cases, _ = junit(texts["junit"], tmp_path / "junit.xml")
    kinds = [ending[0] for ending in cases.values()]
    assert kinds.count("error") == CELLS and "failure" not in kinds
    assert figures(texts["reframe"]) == (f"wiremark-gate: not-judged, 0 of {CELLS} required judged, 0 failed", {})


def test_what_decides_nothing_is_skipped(written, make, tmp_path):
    """Neither a failure nor an error where the exit status is 0."""
    policy = tmp_path / "policy.json"
    policy.write_text('{"schema": "wiremark-policy/1", "required": ["bench=latency *"]}')
    rc, texts = written("gate", *make("b", slow={30: 0.5}), "--baseline", *make("a"), "--policy", policy)
    cases, _ = junit(texts["junit"], tmp_path / "junit.xml")
    endings = {name: ending[0] for (_, name), ending in cases.items() if ending[0] != "pass"}
    assert rc == 0 and set(endings.values()) == {"skipped"} and any(" bytes=128 " in name for name in endings)
    assert [said[0] for said in annotations(texts["github"])][0] == "notice"
    assert 1 not in [value for (name, _), value in metrics(texts).items() if name == "wiremark_verdict"]


def test_nothing_required_is_an_error(written, make, tmp_path):
    reference = write_reference(tmp_path / "reference.json", entry())
    rc, texts = written("gate", *make("b"), "--reference", reference)
    cases, _ = junit(texts["junit"], tmp_path / "junit.xml")
    assert rc == 3 and cases["wiremark.gate", "coverage"][0] == "error"
    assert "nothing is required" in cases["wiremark.gate", "coverage"][1]
    assert annotations(texts["github"])[0][0] == "error"


def test_references_of_one_name(written, make, tmp_path):
    """Two files have an entry of one name: both stay."""
    files = [write_reference(tmp_path / f"r{k}.json", entry(value=5 + 5000 * k)) for k in range(2)]
    rc, texts = written("gate", *make("b", head=device), "--reference", *files)
    check_all(texts, tmp_path / "junit.xml")
    cases, _ = junit(texts["junit"], tmp_path / "junit.xml")
    names = sorted(name for (kind, name), _ in cases.items() if kind == "wiremark.reference.allreduce")
    cell = names[0][3:]
    assert rc == 1 and names == [f"x: {cell}", f"x: {cell} (2)"] and " bytes=4194304 " in cell
    ending, = [ending for ending in cases.values() if ending[0] == "failure"]
    assert "wanted 5005 GB/s (threshold, https://example.org/x)" in ending[2]
    labels = (("cell", cell), ("kind", "reference"), ("name", "x"))
    samples = metrics(texts)
    assert {samples["wiremark_verdict", labels],
            samples["wiremark_verdict", tuple(sorted(labels + (("copy", "2"),)))]} == {0, 1}


def test_fatal_findings_fail(written, make, tmp_path):
    def odd(cells, k):
        cells[3]["pairs"] = [{"from": 0, "to": 1, "median_ns": 1000.0}, {"from": 1, "to": 0, "median_ns": 1500.0}]

    policy = tmp_path / "policy.json"
    results, good = make("b", edit=odd), make("a")
    rc, texts = written("gate", *results, "--baseline", *good)
    assert rc == 0 and [said[0] for said in annotations(texts["github"])] == ["notice", "warning"]
    policy.write_text('{"schema": "wiremark-policy/1", "fatal": ["asymmetry"]}')
    rc, texts = written("gate", *results, "--baseline", *good, "--policy", policy)
    cases, _ = junit(texts["junit"], tmp_path / "junit.xml")
    failed = [(kind, ending) for (kind, _), ending in cases.items() if ending[0] == "failure"]
    assert rc == 1 and failed[0][0] == "wiremark.finding.asymmetry" and "one way" in failed[0][1][1]
    said = annotations(texts["github"])
    assert said[1][0] == "error" and said[1][1].startswith("asymmetry: ")


# ---- hostile texts

def hostile(cells, k):
    cells[0].update(id=HOSTILE, reason=HOSTILE)
    cells[1].update(id=ODD, status="skipped", reason=HOSTILE)
    cells[1].pop("time_ns")
    cells[2].update(id=HOSTILE.replace("\x1b", "\u241b"))  # reads as the first does
    cells[30].update(bench='x"><a>\n::error::', id="::error::x")


def test_hostile_texts(written, make, tmp_path):
    rc, texts = written("gate", *make("b", 4, edit=hostile), "--baseline", *make("a", 4, edit=hostile))
    assert rc == 3
    check_all(texts, tmp_path / "junit.xml")
    cases, _ = junit(texts["junit"], tmp_path / "junit.xml")
    names = [name for _, name in cases]
    assert SHOWN in names and f"{SHOWN} (2)" in names and "::error::x" in names
    assert 'wiremark.cell.x"><a>\n::error::' in [kind for kind, _ in cases]
    said = annotations(texts["github"])
    assert said[1][0] == "warning" and "##[error]x ]]> --> {}\u2409%0A%25\\n\\" in said[1][1]
    assert SHOWN in said[1][2]
    assert "##[" not in texts["text"] + texts["summary"] + texts["reframe"]
    labels = [dict(labels) for name, labels in metrics(texts) if name == "wiremark_time_seconds"]
    shown = SHOWN.replace("\r", "\u240d")
    assert [one.get("copy") for one in labels if one["name"] == shown] == [None, "2"]
    assert SHOWN in entries(texts["smaller-is-better"])
    assert "time:" + SHOWN in figures(texts["reframe"])[1]


def test_hostile_environment(written, make, tmp_path):
    for prefix, text in (("a", "1"), ("b", HOSTILE)):
        make(prefix, 4, head=lambda head: head.replace('"2.28.9"', json.dumps(text)).replace(
            "2026-11-22T16:12:40Z", "2026-02-31T16:12:40Z" if prefix == "b" else "x"))
    rc, texts = written("gate", *[tmp_path / f"b{k}.json" for k in range(4)], "--baseline",
                        *[tmp_path / f"a{k}.json" for k in range(4)])
    check_all(texts, tmp_path / "junit.xml")
    _, suite = junit(texts["junit"], tmp_path / "junit.xml")
    changed = [p.get("value") for p in suite.find("properties") if "versions.nccl" in p.get("name")]
    assert rc == 0 and changed == [f"1 -> {SHOWN}"]
    assert int(suite.get("timestamp")[:4]) >= 2026


# ---- files, words, status

@pytest.mark.slow
def test_exit_status_does_not_depend_on_formats(run, make):
    good = make("a")
    for results, rc in ((make("b"), 0), (make("c", slow={30: 0.05}), 1), (make("d", edit=skip_all), 3)):
        for form in FORMATS:
            end = run("gate", *results, "--baseline", *good, "--format", form)
            assert end.rc == rc and end.stdout and not end.stderr, form


def test_compare(written, run, make, tmp_path):
    a, b = make("a"), make("b", slow={30: 0.05})
    rc, texts = written("compare", *a, "--to", *b)
    assert rc == 0
    check_all(texts, tmp_path / "junit.xml")
    names = {name for name, _ in metrics(texts)}
    assert "wiremark_time_ratio" in names and not names & {"wiremark_exit_status", "wiremark_verdict", "wiremark_cells"}
    for form in OF_GATE:
        new = tmp_path / "new"
        end = run("compare", *a, "--to", *b, "--write", f"text:{new}", f"{form}:{new}")
        assert end.rc == 2 and f"format {form} says what passed" in end.stderr and not end.stdout and not new.exists()
    end = run("compare", *a, "--to", *b, "--format", "junit")
    assert end.rc == 2 and "format junit says what passed" in end.stderr and not end.stdout


@pytest.mark.parametrize("word, says", [
    ("junt:x", "--write: unknown format 'junt' (did you mean junit?)"),
    ("junit", "--write junit: wanted is junit:FILE"),
    ("junit:", "--write junit: wanted is junit:FILE"),
    (":x", "--write: unknown format ''"),
    ("x" * 5000 + "\x1b:y", "--write: unknown format 'xxx"),
])
def test_bad_words(run, make, tmp_path, word, says):
    end = run("gate", *make("b", 1), "--baseline", *make("a", 1), "--write", f"text:{tmp_path / 'new'}", word)
    assert end.rc == 2 and not end.stdout and says in end.stderr and "\x1b" not in end.stderr
    assert end.stderr.count("\n") == 1 and not (tmp_path / "new").exists()


def test_standard_output(run, make):
    end = run("gate", *make("b"), "--baseline", *make("a"), "--write", "github:-")
    first, rest = end.stdout.split("\n", 1)
    assert end.rc == 0 and first.startswith("::notice title=wiremark gate::PASS") and rest.startswith("PASS")


def test_unwritable(run, make, tmp_path):
    good, bad = make("a"), make("b", slow={30: 0.05})
    end = run("gate", *good[:1], "--baseline", *bad, "--write", f"junit:{tmp_path / 'nowhere' / 'x.xml'}")
    assert end.rc == 3 and not end.stdout and "nowhere/x.xml" in end.stderr and "No such file" in end.stderr
    # A regression stays one.
    end = run("gate", *bad, "--baseline", *good, "--write", f"junit:{tmp_path / 'nowhere' / 'x.xml'}")
    assert end.rc == 1 and "nowhere/x.xml" in end.stderr
    end = run("gate", *bad, "--baseline", *good, "--write", "junit:/dev/full")
    assert end.rc == 1 and "write /dev/full" in end.stderr and "No space left on device" in end.stderr


@pytest.mark.parametrize("form", FORMATS)
def test_full_disk_leaves_what_was(start, wiremark, make, tmp_path, form):
    """Files may grow to 512 bytes, which is a full disk."""
    path = tmp_path / "out"
    path.write_text("before")
    words = [wiremark, "gate", *make("b", 4, slow=dict.fromkeys(range(CELLS), 0.1)), "--baseline", *make("a", 4), "--write", f"{form}:{path}"]
    end = start(["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *map(str, words)]).finish(60)
    assert end.rc == 1 and f"write {path}" in end.stderr and "File too large" in end.stderr, end.output
    assert path.read_text() == "before" and not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


def test_summary_stands_behind_what_is_there(run, make, tmp_path):
    """One file for all commands of a step."""
    good, path = make("a"), tmp_path / "summary.md"
    path.write_text("# Before\nno line end")
    path.chmod(0o640)
    inode = path.stat().st_ino
    assert run("gate", *make("b"), "--baseline", *good, "--write", f"summary:{path}").rc == 0
    assert run("gate", *make("c", slow={30: 0.05}), "--baseline", *good, "--format", "summary", "--output", path).rc == 1
    before, passed, failed = re.split(r"^(?=\*{0,2}(?:PASS|FAIL))", path.read_text(), flags=re.M)
    assert before == "# Before\nno line end\n" and passed.endswith("\n") and failed.endswith("\n")
    assert (path.stat().st_ino, path.stat().st_mode & 0o777) == (inode, 0o640)
    path.write_text("x" * ((1 << 20) - 1000))
    run("gate", *make("c", slow={30: 0.05}), "--baseline", *good, "--all", "--write", f"summary:{path}")
    assert path.stat().st_size < 1 << 20 and "more lines are left out" in path.read_text()[-100:]


def test_summary_that_cannot_be_written_leaves_no_file(start, wiremark, make, tmp_path):
    path = tmp_path / "new"
    words = [wiremark, "gate", *make("b", 4, slow=dict.fromkeys(range(CELLS), 0.1)), "--baseline", *make("a", 4), "--write", f"summary:{path}"]
    end = start(["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *map(str, words)]).finish(60)
    assert end.rc == 1 and f"write {path}" in end.stderr and not path.exists(), end.output


def test_summary_is_below_a_mebibyte(run, make, tmp_path):
    many = make("b", 1, cells=3000, edit=lambda cells, k: [c.update(reason="why " * 100, status="skipped") or c
                                                           for c in cells if c.pop("time_ns")])
    path = tmp_path / "summary.md"
    end = run("gate", *many, "--baseline", *make("a", 1, cells=3000), "--write", f"summary:{path}")
    text = path.read_text()
    last = text.splitlines()[-1]
    assert end.rc == 3 and 1000000 < len(text.encode()) < 1 << 20
    kept = re.fullmatch(r"(\d+) more lines are left out: a summary is below 1 MiB", last)
    assert kept and text.splitlines()[-3].count("|") == 8
    whole = run("gate", *many, "--baseline", tmp_path / "a0.json", "--format", "markdown").stdout
    assert len(whole.splitlines()) == len(text.splitlines()) - 2 + int(kept[1])
