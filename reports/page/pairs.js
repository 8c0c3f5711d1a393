// Who is slow with whom: a map of ranks, or of hosts, on a canvas of our own.
import { el, select, table } from "./dom.js";
import { bytes, ns, plural, rate } from "./format.js";
import { bandwidth, resultName } from "./model.js";
import { cellLink } from "./route.js";
import { color, onTheme } from "./theme.js";

// Cells that differ in the round alone make one map.
function mapsOf(model) {
    const maps = new Map();
    for (const { result, cells, key, label, bench } of model.curves)
        for (const i of cells) {
            if (result.get(i, "pairs") === undefined || result.get(i, "time_ns.median") === undefined)
                continue;
            const size = result.get(i, "bytes");
            const whole = `${result.index}\n${key.replace(/ round=\S+/, "")}\n${size}`;
            let map = maps.get(whole);
            if (!map)
                maps.set(whole, map = { result, bench, size, label: label.replace(/ ?round=\S+/, ""), entries: [] });
            const alone = result.get(i, "pairs").length === 4;
            for (const p of result.pairs(i))
                map.entries.push({ from: p.from, to: p.to, ns: p.ns ?? (alone ? result.get(i, "time_ns.median") : undefined),
                    rate: p.rate ?? (alone ? bandwidth(result, i) : undefined), cell: i });
        }
    return [...maps.values()].filter((map) => map.entries.length > 1);
}

// Of several values of two hosts, the worst.
function byHost(map, quantity) {
    const worst = new Map();
    for (const e of map.entries) {
        const key = JSON.stringify([map.result.host(e.from), map.result.host(e.to)]);
        const best = worst.get(key);
        const worse = !best || (quantity === "ns" ? e.ns > best.ns : e.rate < best.rate);
        const pairs = (best?.pairs ?? 0) + 1;
        worst.set(key, worse ? { ...e, pairs } : { ...best, pairs });
    }
    return [...worst].map(([key, e]) => ({ ...e, row: JSON.parse(key)[0], column: JSON.parse(key)[1] }));
}

function grid(map, by, quantity) {
    const entries = (by === "hosts" ? byHost(map, quantity) : map.entries.map((e) => ({ ...e, row: e.from, column: e.to })))
        .map((e) => ({ ...e, value: e[quantity] })).filter((e) => e.value !== undefined);
    const names = [...new Set(entries.flatMap((e) => [e.row, e.column]))];
    names.sort(by === "hosts" ? undefined : (a, b) => a - b);
    const at = new Map(names.map((name, i) => [name, i]));
    const cells = new Map(entries.map((e) => [at.get(e.row) * names.length + at.get(e.column), e]));
    const values = entries.map((e) => e.value);
    return { names, cells, low: values.reduce((a, b) => Math.min(a, b), Infinity), high: values.reduce((a, b) => Math.max(a, b), -Infinity), entries };
}

function shade(stops, share) {
    const at = Math.max(0, Math.min(1, share)) * (stops.length - 1);
    const i = Math.min(stops.length - 2, Math.floor(at));
    const mix = stops[i].map((c, k) => Math.round(c + (stops[i + 1][k] - c) * (at - i)));
    return `rgb(${mix.join(",")})`;
}

const parse = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));

class Pairs {
    constructor(model, maps) {
        Object.assign(this, { model, maps, map: maps[0], by: "ranks", at: undefined });
        this.canvas = el("canvas", { tabindex: "0", role: "img", "aria-label": "map of pairs; arrow keys move, Enter opens the cell",
            onmousemove: (e) => this.point(e), onclick: (e) => { this.point(e); this.open(); }, onkeydown: (e) => this.key(e), onmouseleave: () => this.choose(undefined) });
        this.said = el("p", { class: "facts said", role: "status" });
        this.legend = el("div", { class: "scale" });
        this.worst = el("div", {});
        this.controls = el("div", { class: "controls" });
        this.take(maps[0]);
        onTheme(() => this.draw());
    }

    take(map) {
        this.map = map;
        this.quantities = [["ns", "time"], ["rate", "bandwidth"]].filter(([q]) => map.entries.some((e) => e[q] !== undefined));
        if (!this.quantities.some(([q]) => q === this.quantity))
            this.quantity = this.quantities[this.quantities.length - 1][0];
        const name = (m) => [m.bench, bytes(m.size), m.label, this.model.several && resultName(m.result)].filter(Boolean).join(" · ");
        this.controls.replaceChildren(
            select("map", this.maps.map((m, k) => [String(k), name(m)]), String(this.maps.indexOf(map)), (k) => this.take(this.maps[Number(k)])),
            select("of", [["ranks", "ranks"], ["hosts", "hosts"]], this.by, (by) => { this.by = by; this.refresh(); }),
            select("quantity", this.quantities, this.quantity, (q) => { this.quantity = q; this.refresh(); }));
        this.refresh();
    }

    refresh() {
        this.grid = grid(this.map, this.by, this.quantity);
        this.format = this.quantity === "ns" ? ns : rate;
        this.choose(undefined);
        const bad = [...this.grid.entries].sort((a, b) => this.quantity === "ns" ? b.value - a.value : a.value - b.value).slice(0, 5);
        this.worst.replaceChildren(el("h3", {}, "Worst pairs"), table(["pair", this.quantity === "ns" ? "median" : "bandwidth"],
            bad.map((e) => [el("a", { href: cellLink(this.model, this.map.result, e.cell) }, this.name(e)), this.format(e.value)]), { label: "worst pairs" }));
        this.draw();
    }

    name(e) {
        const who = (rank) => `rank ${rank} on ${this.map.result.host(rank)}`;
        return this.by === "hosts" ? `${e.row} → ${e.column} (the worst of ${plural(e.pairs, "pair")})` : `${who(e.from)} → ${who(e.to)}`;
    }

    layout() {
        const width = Math.min(this.canvas.parentElement?.clientWidth || 0, 560);
        const margin = this.by === "hosts" ? Math.min(110, width / 4) : 34;
        return { width, margin, step: (width - margin) / Math.max(1, this.grid.names.length) };
    }

    draw() {
        const { width, margin, step } = this.layout();
        if (width <= 0)
            return;
        const ratio = devicePixelRatio || 1;
        this.canvas.width = this.canvas.height = Math.round(width * ratio);
        this.canvas.style.width = this.canvas.style.height = `${width}px`;
        const context = this.canvas.getContext("2d");
        context.scale(ratio, ratio);
        this.drawCells(context, margin, step);
        this.drawNames(context, margin, step);
        this.drawScale();
    }

    stops() {
        const stops = [0, 1, 2, 3, 4].map((i) => parse(color(`heat-${i}`)));
        return this.quantity === "ns" ? stops : stops.reverse();
    }

    share(value) {
        const { low, high } = this.grid;
        return high > low ? (value - low) / (high - low) : 0;
    }

    drawCells(context, margin, step) {
        const stops = this.stops(), n = this.grid.names.length, gap = step > 6 ? 1 : 0;
        context.fillStyle = color("grid");
        context.fillRect(margin, margin, n * step, n * step);
        for (const [at, e] of this.grid.cells) {
            context.fillStyle = shade(stops, this.share(e.value));
            context.fillRect(margin + (at % n) * step, margin + Math.floor(at / n) * step, step - gap, step - gap);
            if (step > 62)
                this.drawValue(context, margin + (at % n + 0.5) * step, margin + (Math.floor(at / n) + 0.5) * step, e.value);
        }
        if (this.at !== undefined) {
            context.strokeStyle = color("ink");
            context.lineWidth = 2;
            context.strokeRect(margin + (this.at % n) * step, margin + Math.floor(this.at / n) * step, step - gap, step - gap);
        }
    }

    drawValue(context, x, y, value) {
        const [r, g, b] = shade(this.stops(), this.share(value)).match(/\d+/g).map(Number);
        context.fillStyle = r * 0.3 + g * 0.59 + b * 0.11 > 140 ? "#111111" : "#ffffff";
        context.font = "12px system-ui, sans-serif";
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.fillText(this.format(value), x, y);
    }

    drawNames(context, margin, step) {
        const names = this.grid.names, every = Math.ceil((this.by === "hosts" ? 15 : 22) / step);
        context.fillStyle = color("muted");
        context.font = "12px system-ui, sans-serif";
        context.textBaseline = "middle";
        for (let i = 0; i < names.length; i += every) {
            const at = margin + (i + 0.5) * step, text = String(names[i]).slice(0, 16);
            context.textAlign = "right";
            context.fillText(text, margin - 6, at, margin - 8);
            context.save();
            context.translate(at, margin - 6);
            if (this.by === "hosts")
                context.rotate(-Math.PI / 2);
            context.textAlign = this.by === "hosts" ? "left" : "center";
            context.fillText(text, 0, this.by === "hosts" ? 0 : -6, this.by === "hosts" ? margin - 8 : undefined);
            context.restore();
        }
    }

    drawScale() {
        const stops = this.stops().map((c) => `rgb(${c.join(",")})`).join(",");
        this.legend.replaceChildren(el("span", {}, this.format(this.grid.low)), el("i", { style: `background:linear-gradient(90deg,${stops})` }), el("span", {}, this.format(this.grid.high)));
    }

    choose(at) {
        this.at = at;
        const e = this.grid.cells.get(at);
        this.said.textContent = e ? `${this.name(e)}: ${this.format(e.value, 4)}` : `rows send to columns; ${plural(this.grid.entries.length, "value")}`;
    }

    point(event) {
        const { margin, step } = this.layout();
        const box = this.canvas.getBoundingClientRect();
        const n = this.grid.names.length;
        const column = Math.floor((event.clientX - box.left - margin) / step), row = Math.floor((event.clientY - box.top - margin) / step);
        this.choose(column >= 0 && row >= 0 && column < n && row < n ? row * n + column : undefined);
        this.draw();
    }

    key(event) {
        const n = this.grid.names.length;
        const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: n, ArrowUp: -n }[event.key];
        if (event.key === "Enter") {
            event.preventDefault(); // or it would press what the dialog focuses
            this.open();
        }
        if (by === undefined)
            return;
        event.preventDefault();
        this.choose(Math.max(0, Math.min(n * n - 1, (this.at ?? -by) + by)));
        this.draw();
    }

    open() {
        const e = this.grid.cells.get(this.at);
        if (e)
            location.hash = cellLink(this.model, this.map.result, e.cell);
    }
}

export function pairsSection(model) {
    const maps = mapsOf(model);
    if (maps.length === 0)
        return undefined;
    const pairs = new Pairs(model, maps);
    const holder = el("div", { class: "map" }, pairs.canvas);
    new ResizeObserver(() => pairs.draw()).observe(holder);
    return [pairs.controls, el("div", { class: "card split" }, el("div", {}, holder, pairs.legend, pairs.said), pairs.worst)];
}
