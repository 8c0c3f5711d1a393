// Arms of one comparison: the ratio of their times with its interval, and beside it what both are made of.
import { chart, palette } from "./chart.js";
import { el, select, table } from "./dom.js";
import { bytes, interval, ns, ratio, shortBytes } from "./format.js";
import { curveKey, resultName } from "./model.js";
import { cellLink } from "./route.js";

const isPath = (c) => c.varies.includes("path");

function listed(model) {
    const all = model.results.flatMap((result) => (result.document.comparisons ?? []).map((c) => ({ ...c, result })));
    return all.sort((a, b) => isPath(b) - isPath(a));
}

// The curve of an arm by its cells' id; where that is not said, the only one that has all words of the arm's label.
function curveOf(model, comparison, arm) {
    const own = model.curves.filter((c) => c.result === comparison.result && c.bench === comparison.bench);
    if (comparison.of)
        return own.find((c) => c.key === comparison.of[arm]);
    const words = comparison.arms[arm].split(" ");
    const fit = own.filter((c) => words.every((word) => ` ${c.key} `.includes(` ${word} `)));
    return fit.length === 1 ? fit[0] : undefined;
}

function cellAt(curve, size) {
    return curve?.cells.find((i) => curve.result.get(i, "bytes") === size);
}

// What tells it from others of the same arms: the round of pairs.
function round(c) {
    const word = c.of?.[0].split(" ").find((w) => w.startsWith("round="));
    return word ? `, ${word}` : "";
}

function title(model, c) {
    const what = isPath(c) ? `${c.bench}: staged against direct` : `${c.bench}: ${c.arms.slice(1).join(", ")} against ${c.baseline}`;
    return what + round(c) + (model.several ? ` (${resultName(c.result)})` : "");
}

function intervalText(low, high, format) {
    return low === undefined ? "no interval" : interval(low, high, format);
}

function figure(model, curve, size) {
    const i = cellAt(curve, size);
    if (i === undefined || curve.result.get(i, "time_ns.median") === undefined)
        return "–";
    const r = curve.result;
    return [el("a", { href: cellLink(model, r, i) }, ns(r.get(i, "time_ns.median"))),
        el("span", { class: "muted" }, ` ${intervalText(r.get(i, "time_ns.ci95_low"), r.get(i, "time_ns.ci95_high"), ns)}, n = ${r.get(i, "time_ns.samples")}`)];
}

function ratioText(p) {
    if (p?.ratio === undefined)
        return "–";
    const certain = p.ci95_low > 1 ? "slower" : p.ci95_high < 1 ? "faster" : "";
    return [el("b", { class: certain }, ratio(p.ratio)),
        el("span", { class: "muted" }, ` ${intervalText(p.ci95_low, p.ci95_high, ratio)}`)];
}

function figures(model, c) {
    const curves = c.arms.map((_, a) => curveOf(model, c, a));
    const sizes = [...new Set(c.points.flat().map((p) => p.bytes))].sort((a, b) => a - b);
    const head = ["size", c.arms[0], ...c.arms.slice(1).flatMap((arm) => [arm, "ratio"])];
    const rows = sizes.map((size) => [shortBytes(size), figure(model, curves[0], size),
        ...c.points.flatMap((points, a) => [figure(model, curves[a + 1], size), ratioText(points.find((p) => p.bytes === size))])]);
    return table(head, rows, { label: "figures of the comparison", class: "numbers" });
}

function crossovers(c) {
    return el("ul", { class: "doubts" }, c.arms.slice(1).map((arm, a) => {
        const from = c.crossover_bytes[a];
        return el("li", {}, from === null || from === undefined ? `${arm}: there is no size from which on it is always slower than ${c.baseline}` :
            `${arm}: slower than ${c.baseline} at every size from ${bytes(from)} on`);
    }));
}

function lines(model, c) {
    return c.points.map((points, a) => {
        const curve = curveOf(model, c, a + 1);
        return {
            name: c.arms[a + 1], color: palette(a), limit: [],
            points: points.map((p) => ({ bytes: p.bytes, y: p.ratio, low: p.ci95_low, high: p.ci95_high, result: c.result, cell: cellAt(curve, p.bytes) })),
        };
    });
}

function describe(model, c) {
    return {
        lines: lines(model, c), log: true, reference: 1, format: ratio, label: `ratio of times, ${title(model, c)}`,
        recolor: () => describe(model, c),
        onOpen: (p) => { if (p.cell !== undefined) location.hash = cellLink(model, p.result, p.cell); },
    };
}

function choiceText(choice) {
    return choice.crossovers.map((x, i) => i === 0 ? x.algo : `${x.algo} from ${bytes(x.from_bytes)}`).join(", ");
}

function choices(model) {
    const rows = model.results.flatMap((r) => (r.document.choices ?? []).map((c) => [curveKey(c.of, -1), choiceText(c)]));
    return rows.length > 0 && [el("h3", {}, "What auto chose"), table(["cells", "algorithm"], rows, { label: "what auto chose" })];
}

export function comparisonsSection(model) {
    const all = listed(model);
    const chosen = choices(model);
    if (all.length === 0)
        return chosen || undefined;
    const plot = chart({ lines: [], log: true, format: ratio, label: "ratios" });
    const legend = el("div", { class: "legend" });
    const under = el("div", {});
    const show = (k) => {
        const c = all[k];
        plot.draw(describe(model, c));
        legend.replaceChildren(...c.arms.slice(1).map((arm, a) => el("span", {}, el("i", { class: "swatch", style: `--swatch:var(--line-${a % 8})` }), `time of ${arm} over that of ${c.baseline}`)));
        under.replaceChildren(...[
            c.suspected_fallback && el("p", { class: "bad-text" }, "Suspected fall-back: the arms may have gone the same road"),
            !c.interleaved && el("p", { class: "warn-text" }, `The arms did not alternate: ${c.not_interleaved_reason}`), crossovers(c), figures(model, c)].filter(Boolean));
    };
    const picker = all.length > 1 && select("comparison", all.map((c, k) => [String(k), title(model, c)]), "0", (k) => show(Number(k)));
    requestAnimationFrame(() => show(0));
    return [el("p", { class: "facts" }, "Above 1 the baseline is faster. Bars are 95 % intervals of this launch."),
        picker ? el("div", { class: "controls" }, picker) : el("h3", {}, title(model, all[0])),
        el("div", { class: "card" }, plot, legend), under, chosen].filter(Boolean);
}
