"""The page of `report` in a real browser, and what the command says."""
import json
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree

import pytest

import browser as chromium
import synthetic

pytestmark = pytest.mark.slow  # many small launches of the program: too long for the short test

HOSTILE = ['</script><script>window.hit=1</script>', '<!--<script>', '"><img src=x onerror="window.hit=1">', "it's `a` ${b}\\",
           "two\nlines\r\n", "\x1b[31mred\x1b[0m", "&lt;b&gt; &amp;", "\u202eesrever", "::error::", "{{a}}", "]]>", "\u2028"]

# Opens each cell by its link, one after the other, and gives what its figures say.
OPEN_ALL = """(async () => {
  const all = {};
  for (const id of %s) {
    location.hash = "#" + new URLSearchParams({cell: id});
    for (let i = 0; i < 500 && document.querySelector('#cell[open] [data-field="id"]')?.textContent !== id; i++)
      await new Promise((done) => setTimeout(done, 2));
    all[id] = Object.fromEntries([...document.querySelectorAll("#cell [data-field]")].map((e) => [e.dataset.field, [e.dataset.value, e.textContent]]));
  }
  return all;
})()"""

UNITS = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9, "B/s": 1, "kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9, "TB/s": 1e12, "%": 0.01,
         "/s": 1, "k/s": 1e3, "M/s": 1e6, "G/s": 1e9}
SHOWN_DIGITS = {"limit.share": 3, "rank_time.slowest_share": 3, "noise.foreign_cpu": 3, "noise.steal": 3, "message_rate_per_s": 3}


@pytest.fixture(scope="module")
def browser():
    if chromium.find() is None:
        pytest.skip("chromium is not installed")
    one = chromium.Browser()
    yield one
    one.close()


def report(wiremark, *words):
    return subprocess.run([str(wiremark), "report", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def page(wiremark, tmp_path):
    """page(*results) -> the page made of them."""

    def make(*results):
        path = tmp_path / f"page-{len(list(tmp_path.glob('page-*')))}.html"
        end = report(wiremark, *results, "-o", path)
        if end.returncode == 3 and "was built without the page" in end.stderr:
            pytest.skip("the page's packages of npm are not installed: " + end.stderr)
        assert end.returncode == 0, end.stderr
        assert end.stdout == f"report in {path}\n"
        return path

    return make


@pytest.fixture
def result(tmp_path):
    """result(cells, **members) -> a file of these cells."""

    def make(cells, **members):
        path = tmp_path / f"result-{len(list(tmp_path.glob('result-*')))}.json"
        synthetic.write(path, cells, **members)
        return path

    return make


def sound(browser):
    assert browser.complaints() == []
    assert browser.requests() == []


def flat(cell):
    """Its figures, named as columns are."""
    return {f"{group}.{name}" if name else group: value for group, inner in cell.items()
            for name, value in (inner.items() if isinstance(inner, dict) else [(None, inner)])
            if isinstance(value, (int, float)) and not isinstance(value, bool)}


def shown(text):
    """The number that a person reads, in SI units."""
    number, _, unit = text.partition(" ")
    return float(number.replace(",", "")) * UNITS.get(unit.split(" ")[0], 1)


def assert_says(figures, cell):
    named = {name: value for name, value in flat(cell).items() if name in figures}
    assert {"time_ns.median", "time_ns.samples"} <= set(named), cell["id"]
    for name, value in named.items():
        exact, text = figures[name]
        assert float(exact) == pytest.approx(value, rel=6e-6), (cell["id"], name)
        rel = 0.51 * 10 ** (1 - SHOWN_DIGITS.get(name, 5)) + 6e-6 if isinstance(value, float) else 0
        assert shown(text) == pytest.approx(value, rel=rel), (cell["id"], name, text)
    left_out = {name for name in flat(cell) if name.startswith(("time_ns", "bandwidth", "limit", "verify", "noise"))}
    assert left_out - set(figures) - {"time_ns.ci95_low", "time_ns.ci95_high"} == set(), cell["id"]
    if "ci95_low" in cell["time_ns"]:
        low, high = map(float, figures["time_ns.ci95"][0].split())
        assert (low, high) == pytest.approx((cell["time_ns"]["ci95_low"], cell["time_ns"]["ci95_high"]), rel=6e-6)


def text_of(browser, selector):
    return browser.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? null")


def test_every_cell_of_a_run_is_reached_by_its_link_and_says_what_the_document_says(
        wiremark, mpirun, load_result, page, browser, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", "bandwidth", "allreduce", "message-rate", "barrier", "--algo", "all", "--bytes", "8,4K,256K",
                 "--cell-time", "10ms", "--output", "r.json")
    assert end.rc == 0, end.output
    document = load_result(tmp_path / "r.json")
    browser.open(page(tmp_path / "r.json"))
    cells = {cell["id"]: cell for cell in document["cells"]}
    opened = browser.run(OPEN_ALL % json.dumps(list(cells)))
    for id, cell in cells.items():
        assert_says(opened[id], cell)
    assert browser.run("[...document.querySelectorAll('main > section')].map((s) => s.id)") == [
        "verdict", "curves", "comparisons", "cells", "environment"]
    assert text_of(browser, "#verdict .headline").endswith(f"all {len(cells)} planned cells were measured")
    sound(browser)


def test_the_table_has_all_cells_and_its_numbers_are_those_of_the_document(page, result, browser):
    cells = list(synthetic.cells(60))
    browser.open(page(result(cells)))
    rows = browser.run("[...document.querySelectorAll('#cells tbody tr[data-at]')].map((r) => [...r.cells].map((c) => c.innerText))")
    assert len(rows) > 20
    for row, cell in zip(rows, cells):
        assert row[0] == cell["bench"]
        assert shown(row[3]) == pytest.approx(cell["time_ns"]["median"], rel=5.1e-3)
        assert shown(row[6]) == pytest.approx(cell["bandwidth"]["bus_bytes_per_s"], rel=5.1e-3)
    seen = browser.run("""(async () => {
      const box = document.querySelector("#cells .cells"), ids = new Set();
      for (let top = 0; top < box.scrollHeight; top += 200) {
        box.scrollTop = top;
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
        box.querySelectorAll("a").forEach((a) => ids.add(new URLSearchParams(a.hash.slice(1)).get("cell")));
      }
      return [...ids];
    })()""")
    assert sorted(seen) == sorted(cell["id"] for cell in cells)
    sound(browser)


ENDINGS = [
    ({"complete": False, "ended_by": "SIGTERM"}, "measured", {}, "bad", "Not complete: ended by SIGTERM"),
    ({}, "failed", {"reason": "element 3 is 7, not 4"}, "bad", "Complete, with cells that failed"),
    ({}, "timeout", {"reason": "no operation ended within 60 s"}, "bad", "Complete, with cells that failed"),
    ({}, "skipped", {"reason": "no GPU"}, "warn", "not all was measured"),
    ({}, "not_run", {"reason": "the run ended first"}, "warn", "not all was measured"),
    ({}, "measured", {"simulated": True}, "warn", "not all is to be believed"),
    ({}, "measured", {"evidence": {"verdict": "contradicted", "reason": "eth0 moved them"}}, "bad", "with cells that failed"),
    ({}, "measured", {"limit": {"bytes_per_s": 1e9, "share": 1.4, "kind": "link", "source": "a link"}}, "warn", "believed"),
    ({}, "measured", {}, "good", "all 3 planned cells were measured"),
]


@pytest.mark.parametrize("members,status,more,severity,text", ENDINGS)
def test_the_verdict_comes_first_and_hides_nothing(page, result, browser, members, status, more, severity, text):
    cells = list(synthetic.cells(3))
    cells[1].update(status=status, **more)
    if status != "measured":
        del cells[1]["time_ns"]
    browser.open(page(result(cells, **members)))
    assert browser.run("document.querySelector('.verdict').dataset.verdict") == severity
    assert text in text_of(browser, ".headline")
    assert browser.run("document.querySelector('main > section').id") == "verdict"
    chips = browser.run("[...document.querySelectorAll('.verdict .chip')].map((c) => c.innerText)")
    names = {"timeout": "timed out", "not_run": "not run"}
    assert chips == (["3 measured"] if status == "measured" else ["2 measured", f"1 {names.get(status, status)}"])
    if status != "measured":
        assert more["reason"] in text_of(browser, ".reasons")
        browser.run(f"document.querySelector('.chip[data-status={status}]').click()")
        assert browser.run("document.querySelectorAll('#cells tbody tr[data-at]').length") == 1
    for flag in ("simulated", "contradicted", "above_limit"):
        marked = {"simulated": "simulated" in more, "contradicted": "evidence" in more, "above_limit": "limit" in more}[flag]
        assert browser.run(f"document.querySelectorAll('[data-flag={flag}]').length") == marked
    sound(browser)


def test_a_coverage_that_is_not_that_of_the_cells_is_said(page, result, browser):
    path = result(list(synthetic.cells(4)))
    text = path.read_text()
    path.write_text(text.replace('"measured": 4', '"measured": 5'))
    assert path.read_text() != text
    browser.open(page(path))
    assert "is not that of its cells" in text_of(browser, ".headline")


def comparison(cells, **more):
    sizes = [cell["bytes"] for cell in cells]
    return {"bench": "latency", "baseline": "path=direct", "varies": ["path"], "arms": ["path=direct", "path=staged"], "interleaved": True,
            "points": [[{"bytes": b, "ratio": 1.5 + k / 7, "ci95_low": 1.4, "ci95_high": 3.1} for k, b in enumerate(sizes)]],
            "crossover_bytes": [sizes[0]], **more}


def two_arms():
    direct, staged = list(synthetic.cells(20)), list(synthetic.cells(20, seed=2))
    for cells, path in ((direct, "direct"), (staged, "staged")):
        for cell in cells:
            cell.update(path=path, id=cell["id"].replace("path=host", f"path={path}"))
    return direct, staged


def test_staged_against_direct_shows_ratios_with_both_absolutes(page, result, browser):
    direct, staged = two_arms()
    browser.open(page(result(direct + staged, comparisons=[comparison(direct, suspected_fallback=True)])))
    assert "staged against direct" in text_of(browser, "#comparisons h3")
    assert "Suspected fall-back" in text_of(browser, "#verdict")
    rows = browser.run("[...document.querySelectorAll('#comparisons tbody tr')].map((r) => [...r.cells].map((c) => c.innerText))")
    assert len(rows) == 20
    for k, (row, a, b) in enumerate(zip(rows, direct, staged)):
        for text, cell in ((row[1], a), (row[2], b)):
            assert shown(" ".join(text.split()[:2])) == pytest.approx(cell["time_ns"]["median"], rel=5.1e-3)
            assert text.endswith(f"n = {cell['time_ns']['samples']}")
        assert float(row[3].split()[0]) == pytest.approx(1.5 + k / 7, rel=5.1e-3) and row[3].endswith("1.40 – 3.10")
    assert "slower than path=direct at every size from 1 B on" in text_of(browser, "#comparisons")
    assert browser.run("Number(document.querySelector('#comparisons .chart').dataset.points)") == 20
    sound(browser)


def test_comparisons_of_the_same_arms_are_told_apart_by_their_cells(page, result, browser):
    """Rounds of pairs, in an order that is not their cells'."""
    cells, comparisons = [], []
    for k in (2, 1):
        arms = two_arms()
        for arm in arms:
            for cell in arm:
                cell.update(id=cell["id"] + f" round={k}", time_ns={**cell["time_ns"], "samples": 1000 * k})
        of = [arm[0]["id"].replace(" bytes=1 ", " ") for arm in arms]
        cells += arms[0] + arms[1]
        comparisons.insert(0, comparison(arms[0], of=of))
    browser.open(page(result(cells, comparisons=comparisons)))
    for index, k in enumerate((1, 2)):
        browser.run(f"(() => {{ const s = document.querySelector('#comparisons select'); s.value = '{index}'; "
                    "s.dispatchEvent(new Event('change')); })()")
        assert f"round={k}" in browser.run("document.querySelector('#comparisons select').selectedOptions[0].text")
        row = browser.run("[...document.querySelector('#comparisons tbody tr').cells].map((c) => c.innerText)")
        assert row[1].endswith(f"n = {1000 * k}") and row[2].endswith(f"n = {1000 * k}"), row
    sound(browser)


def paired(ranks):
    cells = []
    for cell in synthetic.cells(20):
        if cell["bytes"] == 8:
            cell["pairs"] = [{"from": a, "to": b, "median_ns": 1000.0 + 10 * a + b} for a in range(ranks) for b in range(ranks) if a < b]
            cells.append(cell)
    return cells


def test_the_map_names_the_worst_pair_of_ranks_and_of_hosts(page, result, browser):
    browser.open(page(result(paired(8))))
    assert "rank 6 on h1 → rank 7 on h1" in text_of(browser, "#pairs .split tbody tr")
    browser.run("""(() => { const s = document.querySelectorAll("#pairs select")[1]; s.value = "hosts"; s.dispatchEvent(new Event("change")); })()""")
    assert text_of(browser, "#pairs .split tbody tr").startswith("h1 → h1 (the worst of 6 pairs)")
    browser.run("document.querySelector('#pairs canvas').focus()")
    browser.key("ArrowRight")
    assert "h0 → h0 (the worst of 6 pairs): 1.023 µs" in text_of(browser, "#pairs .said")
    browser.key("Enter")
    browser.wait("document.querySelector('#cell').open")
    painted = browser.run("""(() => { const c = document.querySelector("#pairs canvas");
      return new Set(new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer)).size; })()""")
    assert painted > 5
    sound(browser)


def test_the_distribution_of_a_cell_holds_all_its_samples(page, result, browser):
    cell, = synthetic.cells(1)
    browser.open(page(result([cell])), "#cell=" + cell["id"].replace(" ", "+"))
    total = sum(count for _, count in cell["histogram"])
    assert f"{total:,} in {len(cell['histogram'])} bins" in browser.run("document.querySelector('.histogram').getAttribute('aria-label')")
    titles = browser.run("[...document.querySelectorAll('.histogram .bar title')].map((t) => t.textContent)")
    assert sum(int(re.match(r"[\d,]+", t)[0].replace(",", "")) for t in titles) == total
    for title, (low, count) in zip(titles, cell["histogram"]):
        assert title.startswith(f"{count:,} at ") and shown(title.split(" at ")[1]) == pytest.approx(low, rel=6e-3)


def hostile_cells():
    cells = list(synthetic.cells(2 * len(HOSTILE)))
    for cell, name in zip(cells, HOSTILE * 2):
        cell["id"] += f" provider={name}"
        cell.update(provider=name[:60], settings={"x": name})
        cell["limit"]["source"] = name
        cell["evidence"].update(reason=name, claims=[{"host": name, "how": name}])
    for cell, name in zip(cells[len(HOSTILE):], HOSTILE):
        cell.update(status="failed", reason=name)
        del cell["time_ns"]
    return cells


def test_hostile_names_are_text_everywhere(page, result, browser):
    cells = hostile_cells()
    everything = " ".join(HOSTILE)
    path = page(result(cells, ended_by=everything, run={"id": everything, "started_utc": everything, "argv": HOSTILE},
                       tool={"version": everything}, environment={"kernel": everything, "variables": {h: h for h in HOSTILE}},
                       world={"ranks": [{"rank": r, "host": h} for r, h in enumerate(HOSTILE)], "warnings": HOSTILE},
                       topology={"kinds": [{"hosts": HOSTILE, "machine": everything}]}))
    plain = path.read_text()
    assert plain.count("<!--") == 0 and "onerror" not in re.sub(r"<script type=\"application/json\".*?</script>", "", plain, flags=re.S)
    browser.open(path)
    for cell in cells:
        browser.run(f"location.hash = '#' + new URLSearchParams({{cell: {json.dumps(cell['id'])}}})")
        browser.wait("document.querySelector('#cell').open")
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.run("window.hit ?? null") is None
    assert browser.run("document.querySelectorAll('main img, main b b, #cell img').length") == 0
    body = browser.run("document.body.innerText + document.querySelector('#cell').innerText")
    assert "</script><script>window.hit=1</script>" in body and "␛[31mred" in body and "two␊lines" in body
    assert not re.search("[\u202e\x1b]", body)
    sound(browser)


def luminance(browser, selector):
    color = browser.run(f"getComputedStyle(document.querySelector('{selector}')).backgroundColor")
    return sum(map(int, re.findall(r"\d+", color)[:3])) / 3


def test_light_and_dark_follow_the_system_and_the_switch(page, result, browser):
    path = page(result(list(synthetic.cells(40))))
    browser.open(path)
    assert luminance(browser, "body") > 200 and text_of(browser, "#theme") == "dark"
    browser.dark(True)
    browser.wait("document.querySelector('#theme').textContent === 'light'")
    assert luminance(browser, "body") < 60 and luminance(browser, ".card") < 60
    browser.run("document.querySelector('#theme').click()")
    assert luminance(browser, "body") > 200 and text_of(browser, "#theme") == "dark"
    sound(browser)


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_phone_scrolls_in_one_direction_only(page, result, browser, width):
    direct, staged = two_arms()
    cells = direct + staged + paired(8)[:1]
    cells[-1]["settings"]["a-setting-with-a-long-name"] = "x" * 60
    cells[3].update(status="failed", reason="x" * 300)
    browser.open(page(result(cells, comparisons=[comparison(direct)])), width=width, height=700)
    assert browser.run("document.documentElement.scrollWidth") <= width
    browser.run(f"location.hash = '#' + new URLSearchParams({{cell: {json.dumps(cells[-1]['id'])}}})")
    browser.wait("document.querySelector('#cell').open")
    assert browser.run("document.querySelector('#cell').scrollWidth") <= width
    assert browser.run("Math.max(...[...document.querySelectorAll('.chart, #pairs canvas')].map((c) => c.getBoundingClientRect().right))") <= width
    sound(browser)


@pytest.mark.slow
def test_all_is_done_with_the_keyboard(page, result, browser):
    browser.open(page(result(list(synthetic.cells(60)))))
    reached = set()
    for _ in range(60):
        browser.key("Tab")
        reached.add(browser.run("(document.activeElement.id || document.activeElement.className || document.activeElement.tagName)"))
    assert {"skip", "theme", "chart", "scroll cells", "SELECT"} <= reached, reached
    browser.run("document.querySelector('#cells .cells').focus()")
    for _ in range(25):
        browser.key("ArrowDown")
    assert browser.run("document.querySelector('#cells tr.active').dataset.at") == "25"
    browser.key("Enter")
    browser.wait("document.querySelector('#cell').open")
    assert text_of(browser, "#cell-title") == "bandwidth · 32 B"
    browser.key("Escape")
    browser.wait("!document.querySelector('#cell').open && !location.hash.includes('cell=')")
    assert browser.run("document.activeElement.className") == "scroll cells"
    browser.run("document.querySelector('#curves .chart').focus()")
    for _ in range(3):
        browser.key("ArrowRight")
    assert "4 " in text_of(browser, "#curves .tip")
    browser.key("Enter")
    browser.wait("document.querySelector('#cell').open")
    assert text_of(browser, "#cell-title") == "latency · 4 B"
    sound(browser)


def test_several_results_lie_over_each_other_and_differences_stand_first(page, result, browser):
    first, second = list(synthetic.cells(20)), list(synthetic.cells(20, seed=3))
    paths = [result(first, environment={"kernel": "Linux 6.1", "mpi": "Open MPI"}), result(second, environment={"kernel": "Linux 6.8", "mpi": "Open MPI"})]
    browser.open(page(*paths))
    assert browser.run("document.querySelectorAll('.verdict').length") == 2
    assert browser.run("Number(document.querySelector('#curves .chart').dataset.points)") == 40
    assert browser.run("[...document.querySelectorAll('#environment .environment')][0].innerText").split("\n")[1].split("\t") == [
        "kernel", "Linux 6.1", "Linux 6.8"]
    for number, cells in ((1, first), (2, second)):
        browser.run(f"location.hash = '#' + new URLSearchParams({{cell: {json.dumps(cells[5]['id'])}, result: {number}}})")
        browser.wait(f"document.querySelector('#cell [data-field=\"time_ns.median\"]')?.dataset.value.startsWith('{cells[5]['time_ns']['median']:.6g}'.slice(0, 6))")
    assert "In the other results" in text_of(browser, "#cell")
    sound(browser)


def test_a_link_to_a_cell_that_is_not_there_says_so(page, result, browser):
    browser.open(page(result(list(synthetic.cells(3)))), "#cell=nowhere")
    assert "No such cell" in text_of(browser, "#cell")


def test_a_result_without_cells_has_a_page(page, result, browser):
    browser.open(page(result([])))
    assert "Nothing was planned" in text_of(browser, ".headline")
    sound(browser)


@pytest.mark.slow
def test_a_hundred_thousand_cells_are_a_page_under_10_MB(page, result, browser):
    cells = list(synthetic.cells(100_000))
    path = page(result(cells))
    assert path.stat().st_size < 10_000_000
    browser.open(path)
    assert text_of(browser, "#cells .facts") == "100,000 cells"
    assert browser.run("document.querySelectorAll('#cells tbody tr').length") < 100
    last = cells[-1]
    opened = browser.run(OPEN_ALL % json.dumps([last["id"]]))[last["id"]]
    assert float(opened["time_ns.median"][0]) == pytest.approx(last["time_ns"]["median"], rel=6e-5)
    assert "leaves out counters" in text_of(browser, "#verdict")
    sound(browser)


def test_what_is_not_a_result_is_refused_and_leaves_no_page(wiremark, result, tmp_path):
    good = result(list(synthetic.cells(3)))
    twice = result(list(synthetic.cells(2)) + list(synthetic.cells(1)))
    cut = tmp_path / "cut.json"
    cut.write_text(good.read_text()[:-300])
    text = tmp_path / "text.json"
    text.write_text("hello\n")
    for words, status, message in [
            ([good, tmp_path / "absent.json"], 3, "cannot read"), ([cut], 2, "cut.json:"), ([text], 2, "text.json:1: not a wiremark result"),
            ([twice], 2, "two cells have the id bench=latency"), ([], 2, "report takes one or more results"),
            ([good, "--to", "x"], 2, "--to")]:
        end = report(wiremark, *words, "-o", tmp_path / "page.html")
        if "was built without the page" in end.stderr:
            pytest.skip("the page's packages of npm are not installed")
        assert end.returncode == status and message in end.stderr and end.stderr.count("\n") == 1, end.stderr
    assert not list(tmp_path.glob("*.html")) and not list(tmp_path.glob(".*tmp"))


def test_a_page_that_exists_is_kept_without_force(wiremark, result, tmp_path):
    good, path = result(list(synthetic.cells(3))), tmp_path / "page.html"
    path.write_text("mine")
    end = report(wiremark, good, "-o", path)
    if "was built without the page" in end.stderr:
        pytest.skip("the page's packages of npm are not installed")
    assert end.returncode == 2 and "--force" in end.stderr and path.read_text() == "mine"
    assert report(wiremark, good, "-o", path, "--force").returncode == 0 and path.read_text().startswith("<!DOCTYPE html>")
    assert report(wiremark, good, "-o", "/dev/stdout", "--force").stdout == path.read_text()
    stdout = tmp_path / "stdout"
    stdout.symlink_to("/proc/self/fd/1")
    with tempfile.TemporaryFile() as nameless:
        end = subprocess.run([wiremark, "report", good, "-o", stdout, "--force"], stdout=nameless)
        nameless.seek(0)
        assert end.returncode == 0 and stdout.is_symlink() and nameless.read().endswith(b"</html>\n")
    full = report(wiremark, good, "-o", "/dev/full")
    assert full.returncode == 3 and "No space left" in full.stderr


SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def gnuplot():
    if shutil.which("gnuplot") is None:
        pytest.skip("gnuplot is not installed")


def texts(path):
    return ["".join(node.itertext()).strip() for node in xml.etree.ElementTree.parse(path).iter(f"{SVG}text")]


def test_single_plots_are_whole_pictures_with_all_curves(wiremark, result, tmp_path, gnuplot):
    path = result(list(synthetic.cells(80)) + list(synthetic.cells(160))[80:])
    end = report(wiremark, path, "--svg", tmp_path / "plots")
    assert end.returncode == 0, end.stderr
    named = [line.split(" ")[0] for line in end.stdout.splitlines()]
    assert named == [f"{tmp_path}/plots/{b}-{q}.svg" for b in synthetic.BENCHES for q in ("time", "bandwidth")]
    for name in named:
        said = texts(name)
        assert {"1", "limits"} <= set(said), said
        assert sum(text.startswith("window=") for text in said) == 2, said
    again = report(wiremark, path, "--svg", tmp_path / "plots")
    assert again.returncode == 2 and "latency-time.svg exists" in again.stderr
    assert report(wiremark, path, "--svg", tmp_path / "plots", "--force").returncode == 0


def test_hostile_names_are_text_in_plots_and_files_stay_in_their_folder(wiremark, result, tmp_path, gnuplot):
    cells = list(synthetic.cells(40))
    for cell in cells:
        name = "'; system('touch hit') #`touch hit`\n\x1b$(touch hit)" if cell["settings"]["window"] == "0" else "@{^x}_%s\\"
        cell.update(bench="../a b'`x`", id=cell["id"].replace("window=", f"provider={name} window="))
    end = subprocess.run([wiremark, "report", result(cells), "--svg", "plots"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert end.returncode == 0, end.stderr
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["___a_b__x_-bandwidth.svg", "___a_b__x_-time.svg"]
    assert not list(tmp_path.rglob("hit"))
    said = texts(tmp_path / "plots/___a_b__x_-time.svg")
    assert any("system('touch" in text and "hit') #`touch" in text for text in said) and any("@{^x}_%s\\" in text for text in said), said


def test_without_gnuplot_plots_are_refused_with_its_name(wiremark, result, tmp_path):
    path = result(list(synthetic.cells(3)))
    end = subprocess.run([wiremark, "report", path, "--svg", tmp_path / "plots"], env={"PATH": str(tmp_path)}, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    assert end.returncode == 3 and "gnuplot is not installed" in end.stderr and not (tmp_path / "plots").exists(), end.stderr


def test_what_gnuplot_says_of_its_failure_is_said_and_leaves_no_file(wiremark, result, tmp_path):
    fake = tmp_path / "gnuplot"
    path = result(list(synthetic.cells(3)))
    for script, message in (('[ "$1" = - ] || exit 0\necho "no terminal svg" >&2\nexit 4', "gnuplot ended with status 4: no terminal svg"),
                            ("echo '<svg>'", "gnuplot drew no whole picture")):
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        end = subprocess.run([wiremark, "report", path, "--svg", tmp_path / "plots"], env={"PATH": f"{tmp_path}:/bin:/usr/bin"},
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert end.returncode == 1 and message in end.stderr and not list((tmp_path / "plots").iterdir()), end.stderr
