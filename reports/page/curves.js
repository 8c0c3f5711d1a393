// Latency and bandwidth over the size, with intervals and limits; curves of all results in one plot.
import { chart, palette } from "./chart.js";
import { checkbox, el, select } from "./dom.js";
import { ns, percent, perSecond, plural, rate } from "./format.js";
import { bandwidth, resultName } from "./model.js";
import { cellLink } from "./route.js";

const firstShown = 8, mostListed = 200;
const dashes = [undefined, [7, 4], [2, 3], [10, 3, 2, 3]];

// What a cell's limit means for each quantity; intervals of a rate are those of the time, turned round.
const quantities = {
    time: {
        name: "time", format: ns, log: true,
        of: (r, i) => r.get(i, "time_ns.median"),
        interval: (r, i) => [r.get(i, "time_ns.ci95_low"), r.get(i, "time_ns.ci95_high")],
        limit: (r, i) => {
            const share = r.get(i, "limit.share"), median = r.get(i, "time_ns.median");
            return share > 0 && median > 0 ? median * share : undefined;
        },
    },
    bandwidth: {
        name: "bandwidth", format: rate, log: false,
        of: bandwidth,
        interval: (r, i) => turned(r, i, bandwidth(r, i)),
        limit: (r, i) => r.get(i, "limit.bytes_per_s"),
    },
    messages: {
        name: "message rate", format: perSecond, log: false,
        of: (r, i) => r.get(i, "message_rate_per_s"),
        interval: (r, i) => turned(r, i, r.get(i, "message_rate_per_s")),
        limit: () => undefined,
    },
    share: {
        name: "share of the limit", format: percent, log: false,
        of: (r, i) => r.get(i, "limit.share"),
        interval: (r, i) => turned(r, i, r.get(i, "limit.share")),
        limit: (r, i) => r.get(i, "limit.share") === undefined ? undefined : 1,
    },
};

function turned(r, i, value) {
    const [low, high] = [r.get(i, "time_ns.ci95_low"), r.get(i, "time_ns.ci95_high")];
    const median = r.get(i, "time_ns.median");
    return low > 0 && high > 0 && value !== undefined ? [value * median / high, value * median / low] : [undefined, undefined];
}

function lineOf(model, curve, quantity, color, dash) {
    const line = { name: nameOf(model, curve), color, dash, points: [], limit: [], curve };
    for (const i of curve.cells) {
        const r = curve.result, bytes = r.get(i, "bytes");
        const [low, high] = quantity.interval(r, i);
        line.points.push({ bytes, y: quantity.of(r, i), low, high, cell: i, result: r });
        const limit = quantity.limit(r, i);
        if (limit !== undefined)
            line.limit.push({ bytes, y: limit });
        line.estimate ||= r.get(i, "limit.kind") === "estimate";
    }
    return line;
}

function nameOf(model, curve) {
    const label = curve.label || curve.bench;
    return model.several ? `${label} (${resultName(curve.result)})` : label;
}

function possible(curves) {
    return Object.keys(quantities).filter((name) =>
        curves.some((c) => c.cells.some((i) => quantities[name].of(c.result, i) !== undefined)));
}

function limitSources(lines) {
    const found = new Map();
    for (const { curve } of lines)
        for (const i of curve.cells) {
            const kind = curve.result.get(i, "limit.kind");
            if (kind)
                found.set(curve.result.get(i, "limit.source"), { kind, bytes: curve.result.get(i, "bytes"), value: curve.result.get(i, "limit.bytes_per_s") });
        }
    return [...found].slice(-3);
}

function limitNotes(lines) {
    const sources = limitSources(lines);
    return sources.length > 0 && el("ul", { class: "limits" }, sources.map(([source, s]) => el("li", {},
        el("span", { class: `limit-line ${s.kind}` }), `${s.kind === "estimate" ? "estimate" : `limit (${s.kind})`} ${rate(s.value)}: ${source}`)));
}

class Curves {
    constructor(model) {
        this.model = model;
        this.plot = chart({ lines: [], log: true, format: ns, label: "curves" });
        this.notes = el("div", {});
        this.list = el("div", { class: "curve-list" });
        this.controls = el("div", { class: "controls" });
        this.choose(model.benches[0]);
    }

    choose(bench) {
        this.bench = bench;
        this.curves = this.model.curves.filter((c) => c.bench === bench);
        const keys = [...new Set(this.curves.map((c) => c.key))];
        this.index = new Map(keys.map((key, i) => [key, i]));
        this.shown = new Set(this.curves.filter((c) => this.index.get(c.key) < firstShown));
        this.filter = "";
        this.names = possible(this.curves);
        const first = this.names.includes("bandwidth") && !bench.includes("latency") ? "bandwidth" : this.names[0];
        this.measure(first ?? "time");
    }

    measure(name) {
        this.quantity = name;
        this.log = quantities[name].log;
        this.drawControls();
        this.drawList();
        this.redraw();
    }

    drawControls() {
        const benches = this.model.benches.map((b) => [b, b]);
        this.controls.replaceChildren(
            select("benchmark", benches, this.bench, (b) => this.choose(b)),
            select("quantity", this.names.map((n) => [n, quantities[n].name]), this.quantity, (n) => this.measure(n)),
            checkbox("logarithmic", this.log, (on) => { this.log = on; this.redraw(); }));
    }

    describe() {
        const quantity = quantities[this.quantity];
        const lines = this.curves.filter((c) => this.shown.has(c)).map((c) =>
            lineOf(this.model, c, quantity, palette(this.index.get(c.key)), dashes[c.result.index % dashes.length]));
        return {
            lines, log: this.log, format: quantity.format, label: `${quantity.name} of ${this.bench} over the size`,
            onOpen: (p) => { location.hash = cellLink(this.model, p.result, p.cell); }, recolor: () => this.describe(),
        };
    }

    redraw() {
        const described = this.describe();
        this.plot.draw(described);
        this.notes.replaceChildren(...[limitNotes(described.lines)].filter(Boolean));
    }

    toggle(curve, on) {
        this.shown[on ? "add" : "delete"](curve);
        this.redraw();
    }

    item(curve) {
        const swatch = el("i", { class: "swatch", style: `--swatch:var(--line-${this.index.get(curve.key) % 8})` });
        const input = el("input", { type: "checkbox", checked: this.shown.has(curve), onchange: () => this.toggle(curve, input.checked) });
        return el("label", { class: `check dash-${curve.result.index % dashes.length}` }, input, swatch, nameOf(this.model, curve));
    }

    drawList() {
        const search = this.curves.length > 12 && el("input", {
            type: "search", placeholder: `find one of ${plural(this.curves.length, "curve")}`, "aria-label": "find a curve", value: this.filter,
            oninput: (event) => { this.filter = event.target.value; this.drawItems(); },
        });
        this.items = el("div", { class: "items" });
        this.list.replaceChildren(...[search, this.items].filter(Boolean));
        this.drawItems();
    }

    drawItems() {
        const words = this.filter.toLowerCase().split(/\s+/);
        const fit = this.curves.filter((c) => words.every((w) => nameOf(this.model, c).toLowerCase().includes(w)));
        this.items.replaceChildren(...fit.slice(0, mostListed).map((c) => this.item(c)));
        if (fit.length > mostListed)
            this.items.append(el("p", { class: "facts" }, `and ${plural(fit.length - mostListed, "further curve")}: narrow the search`));
    }
}

export function curvesSection(model) {
    if (!model.curves.some((c) => c.cells.some((i) => c.result.get(i, "time_ns.median") !== undefined)))
        return undefined;
    const curves = new Curves(model);
    requestAnimationFrame(() => curves.redraw());
    return [curves.controls, el("div", { class: "card" }, curves.plot, curves.notes), curves.list];
}
