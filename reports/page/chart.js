// Lines with intervals over the size, drawn by uPlot; bars of the intervals, limits and the reference line are our own.
import uPlot from "uplot";
import { el } from "./dom.js";
import { interval, shortBytes } from "./format.js";
import { color, onTheme } from "./theme.js";

const smallest = 0.5; // where a size of 0 stands on a logarithmic axis

export const place = (bytes) => Math.max(bytes, smallest);
const sizeAt = (x) => x < 1 ? 0 : x;

function sizeSplits(low, high, width) {
    const all = [];
    for (let x = low < 1 ? smallest : 1; x <= high * 1.001; x = x < 1 ? 1 : x * 2)
        if (x >= low * 0.999)
            all.push(x);
    const every = [1, 2, 5, 10, 20].find((n) => all.length / n <= Math.max(3, width / 52)) ?? 40;
    return all.filter((x) => Math.round(Math.log2(x)) % every === 0);
}

function decadeSplits(low, high, height) {
    const make = (steps) => {
        const all = [];
        for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
            for (const step of steps)
                if (step * 10 ** e >= low * 0.999 && step * 10 ** e <= high * 1.001)
                    all.push(step * 10 ** e);
        return all;
    };
    const most = Math.max(3, height / 30);
    return [[1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]].map(make).find((all) => all.length <= most) ??
        make([1]).filter((_, i, all) => i % Math.ceil(all.length / most) === 0);
}

function range(lines, log, reference) {
    let low = reference ?? Infinity;
    let high = reference ?? -Infinity;
    const take = (points) => {
        for (const p of points)
            for (const y of [p.y, p.low, p.high])
                if (y !== undefined && (y > 0 || !log)) {
                    low = Math.min(low, y);
                    high = Math.max(high, y);
                }
    };
    lines.forEach((line) => take(line.points));
    if (!Number.isFinite(low))
        return [1, 10];
    const floor = low / 10; // a limit far below all values is cut off rather than squeezing them together
    lines.forEach((line) => take((line.limit ?? []).map((p) => ({ y: Math.max(p.y, floor) }))));
    return log ? [low / 1.15, high * 1.15] : [0, high * 1.06 || 1];
}

function drawBar(context, x, low, high, cap) {
    context.beginPath();
    for (const [y, half] of [[low, cap], [high, cap]]) {
        context.moveTo(x - half, y);
        context.lineTo(x + half, y);
    }
    context.moveTo(x, low);
    context.lineTo(x, high);
    context.stroke();
}

function drawIntervals(u, line, ratio) {
    u.ctx.strokeStyle = line.color;
    u.ctx.lineWidth = 1.25 * ratio;
    for (const p of line.points)
        if (p.low > 0 && p.high > 0)
            drawBar(u.ctx, u.valToPos(place(p.bytes), "x", true), u.valToPos(p.low, "y", true), u.valToPos(p.high, "y", true), 4 * ratio);
}

function drawLimit(u, line, ratio, drawn) {
    const key = JSON.stringify(line.limit.map((p) => [p.bytes, p.y]));
    if (drawn.has(key))
        return;
    drawn.add(key);
    u.ctx.strokeStyle = color("limit");
    u.ctx.lineWidth = 1.5 * ratio;
    u.ctx.setLineDash(line.estimate ? [2 * ratio, 4 * ratio] : [8 * ratio, 4 * ratio]);
    u.ctx.beginPath();
    line.limit.forEach((p, i) => u.ctx[i === 0 ? "moveTo" : "lineTo"](u.valToPos(place(p.bytes), "x", true), u.valToPos(p.y, "y", true)));
    if (line.limit.length === 1) { // a single size: a stroke beside its point
        u.ctx.moveTo(u.bbox.left, u.valToPos(line.limit[0].y, "y", true));
        u.ctx.lineTo(u.bbox.left + u.bbox.width, u.valToPos(line.limit[0].y, "y", true));
    }
    u.ctx.stroke();
    u.ctx.setLineDash([]);
}

function drawReference(u, y, ratio) {
    u.ctx.strokeStyle = color("ink");
    u.ctx.lineWidth = ratio;
    u.ctx.beginPath();
    u.ctx.moveTo(u.bbox.left, u.valToPos(y, "y", true));
    u.ctx.lineTo(u.bbox.left + u.bbox.width, u.valToPos(y, "y", true));
    u.ctx.stroke();
}

function overlay(u, o) {
    const ratio = devicePixelRatio || 1;
    const drawn = new Set();
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    u.ctx.clip();
    for (const line of o.lines)
        if (line.limit?.length > 0)
            drawLimit(u, line, ratio, drawn);
    if (o.reference !== undefined)
        drawReference(u, o.reference, ratio);
    for (const line of o.lines)
        drawIntervals(u, line, ratio);
    u.ctx.restore();
}

function options(o, width, height, sizes) {
    const axis = { stroke: color("muted"), grid: { stroke: color("grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const [low, high] = range(o.lines, o.log, o.reference);
    const [first, last] = [sizes[0] ?? 1, sizes[sizes.length - 1] ?? 1];
    const pad = first === last ? 4 : (last / first) ** 0.03;
    return {
        width, height, legend: { show: false }, padding: [10, 12, 0, 0],
        cursor: { drag: { x: false, y: false }, points: { size: 9 }, y: false },
        scales: {
            x: { time: false, distr: 3, log: 2, range: () => [first / pad, last * pad] },
            y: { distr: o.log ? 3 : 1, log: 10, range: () => [low, high] },
        },
        axes: [
            { ...axis, splits: (u, i, a, b) => sizeSplits(a, b, u.bbox.width / devicePixelRatio), filter: (u, s) => s,
                values: (u, splits) => splits.map((x) => shortBytes(sizeAt(x))), size: 30 },
            { ...axis, splits: o.log ? (u, i, a, b) => decadeSplits(a, b, u.bbox.height / devicePixelRatio) : undefined, filter: (u, s) => s,
                values: (u, splits) => splits.map((y) => y === 0 ? "0" : o.format(y)), size: 76 },
        ],
        series: [{}, ...o.lines.map((line) => ({
            stroke: line.color, width: 2, dash: line.dash, spanGaps: true,
            points: { show: true, size: 6, fill: line.color, stroke: line.color },
        }))],
        hooks: { draw: [(u) => overlay(u, o)] },
    };
}

function toColumns(lines) {
    const sizes = [...new Set(lines.flatMap((line) => line.points.map((p) => place(p.bytes))))].sort((a, b) => a - b);
    const at = new Map(sizes.map((x, i) => [x, i]));
    const columns = lines.map((line) => {
        const column = new Array(sizes.length).fill(null);
        for (const p of line.points)
            if (p.y !== undefined)
                column[at.get(place(p.bytes))] = p.y;
        return column;
    });
    return [sizes, ...columns];
}

/*
 * o: {lines: [{name, color, dash, points: [{bytes, y, low, high, cell}], limit: [{bytes, y}], estimate}], log, format,
 * reference, label, onCursor(bytes | undefined), onOpen(point)}. Returns an element whose draw(o) draws anew.
 */
export function chart(initial) {
    let o = initial;
    let u, data, chosen = 0;
    const box = el("div", { class: "plot" });
    const tip = el("div", { class: "tip", hidden: true });
    const frame = el("div", { class: "chart", tabindex: "0", role: "group", "aria-label": `${o.label}; arrow keys go from point to point, Enter opens the cell` }, box, tip);

    const point = (line, i) => o.lines[line]?.points.find((p) => place(p.bytes) === data[0][i] && p.y !== undefined);

    function nearest() {
        const candidates = o.lines.map((_, k) => k).filter((k) => point(k, u.cursor.idx));
        return candidates.sort((a, b) => distance(a) - distance(b))[0];
    }

    function distance(k) {
        return Math.abs(u.valToPos(data[k + 1][u.cursor.idx], "y") - u.cursor.top);
    }

    function showTip() {
        const i = u.cursor.idx;
        const line = i === null || i === undefined || u.cursor.left < 0 ? undefined : nearest();
        tip.hidden = line === undefined;
        if (line === undefined)
            return;
        chosen = line;
        const p = point(line, i);
        tip.replaceChildren(el("div", {}, el("b", {}, shortBytes(p.bytes)), ` ${o.lines[line].name}`),
            el("div", {}, o.format(p.y, 4), p.low !== undefined && el("span", { class: "muted" }, ` (${interval(p.low, p.high, o.format)})`)));
        const left = u.valToPos(data[0][i], "x") + u.over.offsetLeft;
        tip.style.left = `${Math.max(0, Math.min(left + 14, frame.clientWidth - tip.offsetWidth - 4))}px`;
        tip.style.top = `${Math.max(0, u.valToPos(p.y, "y") - tip.offsetHeight - 6)}px`;
    }

    function draw(next = o) {
        o = next;
        const width = frame.clientWidth;
        if (width === 0)
            return;
        data = toColumns(o.lines);
        u?.destroy();
        tip.hidden = true;
        const settings = options(o, width, Math.round(Math.min(420, Math.max(260, width * 0.5))), data[0]);
        settings.hooks.setCursor = [showTip];
        u = new uPlot(settings, data, box);
        frame.dataset.points = data.slice(1).reduce((n, column) => n + column.filter((y) => y !== null).length, 0);
    }

    function moveTo(i, line) {
        const column = data[line + 1];
        if (column?.[i] === null || column?.[i] === undefined)
            return;
        u.setCursor({ left: u.valToPos(data[0][i], "x"), top: u.valToPos(column[i], "y") });
    }

    function step(key) {
        const there = (i) => data[chosen + 1]?.[i] !== null && data[chosen + 1]?.[i] !== undefined;
        let i = u.cursor.idx ?? -1;
        if (key === "ArrowUp" || key === "ArrowDown") {
            chosen = (chosen + (key === "ArrowDown" ? 1 : o.lines.length - 1)) % o.lines.length;
            return moveTo(i < 0 ? 0 : i, chosen);
        }
        const by = key === "ArrowRight" ? 1 : -1;
        for (i += by; i >= 0 && i < data[0].length && !there(i); i += by);
        moveTo(i, chosen);
    }

    function open() {
        const p = tip.hidden ? undefined : point(chosen, u.cursor.idx);
        if (p && o.onOpen)
            o.onOpen(p);
    }

    frame.addEventListener("click", open);
    frame.addEventListener("keydown", (event) => {
        if (event.key === "Enter") {
            event.preventDefault(); // or it would press what the dialog focuses
            open();
        } else if (event.key.startsWith("Arrow") && o.lines.length > 0) {
            event.preventDefault();
            step(event.key);
        }
    });
    new ResizeObserver(() => {
        if (!u || Math.abs(frame.clientWidth - u.width) > 1)
            draw();
    }).observe(frame);
    onTheme(() => draw(o.recolor ? o.recolor(o) : o));
    frame.draw = draw;
    return frame;
}

export const palette = (i) => color(`line-${i % 8}`);
