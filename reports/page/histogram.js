// Bins as bars over a logarithmic time, with the median, its interval and the percentiles above.
import { el, svg } from "./dom.js";
import { count, ns } from "./format.js";

const height = 200, top = 34, bottom = 24, side = 12;
const merged = 1.01 ** 0.5;

function scaleOf(bins, marks, width) {
    const low = bins[0].low / merged;
    const high = Math.max(bins[bins.length - 1].low * 1.01, ...Object.values(marks).filter((v) => v !== undefined)) * merged;
    const span = Math.log(high / low) || 1;
    return { low, high, x: (v) => side + (width - 2 * side) * Math.log(Math.max(v, low) / low) / span };
}

// Bars at least 2 units wide, so that a long tail is still seen; narrower ones are joined.
function bars(bins, x) {
    const all = [];
    for (const bin of bins) {
        const at = x(bin.low), last = all[all.length - 1];
        if (last && at - last.at < 2)
            last.count += bin.count;
        else
            all.push({ at, count: bin.count, low: bin.low });
    }
    return all;
}

function ticks({ low, high, x }) {
    const all = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
        for (const step of high / low > 30 ? [1, 3] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9])
            if (step * 10 ** e >= low && step * 10 ** e <= high)
                all.push(step * 10 ** e);
    const kept = [];
    for (const v of all)
        if (kept.length === 0 || x(v) - x(kept[kept.length - 1]) > 62)
            kept.push(v);
    return kept;
}

function markers(marks, x, width) {
    const named = [["median", marks.median], ["p90", marks.p90], ["p99", marks.p99], ["p99.9", marks.p999]].filter(([, v]) => v !== undefined);
    let free = 0;
    return named.map(([name, v]) => {
        const at = x(v), line = at < free ? 11 : 23;
        free = line === 23 ? at + 44 : free;
        return svg("g", { class: `marker ${name === "median" ? "median" : ""}` },
            svg("line", { x1: at, x2: at, y1: line + 3, y2: height - bottom }),
            svg("text", { x: Math.min(at, width - 20), y: line, "text-anchor": at < 30 ? "start" : "middle" }, name));
    });
}

// joined: the bins are wider than 1 %, each to the next one.
export function histogram(bins, marks, joined) {
    const width = innerWidth < 700 ? 360 : 640;
    const scale = scaleOf(bins, marks, width), { x } = scale;
    const all = bars(bins, x);
    const most = Math.max(...all.map((b) => b.count));
    const base = height - bottom, wide = (b, i) => Math.max(1.5, (joined ? all[i + 1]?.at ?? b.at + 6 : x(b.low * 1.01)) - b.at - 0.4);
    const tall = (n) => (base - top) * Math.sqrt(n / most);
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "histogram", role: "img", "aria-label": `distribution of the samples, ${count(bins.reduce((n, b) => n + b.count, 0))} in ${bins.length} bins` },
        marks.low !== undefined && svg("rect", { class: "interval", x: x(marks.low), width: Math.max(1, x(marks.high) - x(marks.low)), y: top, height: base - top }),
        all.map((b, i) => svg("rect", { class: "bar", x: b.at, width: wide(b, i), y: base - tall(b.count), height: tall(b.count) }, svg("title", {}, `${count(b.count)} at ${ns(b.low)}`))),
        svg("line", { class: "base", x1: side, x2: width - side, y1: base, y2: base }),
        ticks(scale).map((v) => svg("text", { class: "tick", x: x(v), y: height - 7, "text-anchor": "middle" }, ns(v))),
        markers(marks, x, width));
    return el("figure", {}, picture, el("figcaption", { class: "facts" }, "time on a logarithmic axis; the height is the square root of the count, so that rare samples are seen; shaded: 95 % interval of the median"));
}
