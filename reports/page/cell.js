// One cell with all that is known of it.
import { histogram } from "./histogram.js";
import { byId, el, table } from "./dom.js";
import { bytes, count, interval, ns, percent, perSecond, rate, statusName } from "./format.js";
import { curveKey, labelOf, resultName } from "./model.js";
import { cellLink, leaveCell } from "./route.js";

const digits = 5;
const time = (v) => ns(v, digits);
const yes = (v) => v === 1 ? "yes" : "no";

// [column, name, text]
const groups = [
    ["Time", [
        ["time_ns.median", "median", time], ["time_ns.min", "smallest", time], ["time_ns.mean", "mean", time], ["time_ns.max", "largest", time],
        ["time_ns.mad", "median absolute deviation", time], ["time_ns.p90", "p90", time], ["time_ns.p99", "p99", time], ["time_ns.p999", "p99.9", time],
        ["time_ns.samples", "samples", count], ["time_ns.batch", "operations in a sample", count], ["time_ns.converged", "converged", yes], ["time_ns.stalls", "stalls", count]]],
    ["Rate", [
        ["bandwidth.bus_bytes_per_s", "bus bandwidth", (v) => rate(v, digits)], ["bandwidth.alg_bytes_per_s", "bandwidth", (v) => rate(v, digits)],
        ["message_rate_per_s", "messages", perSecond], ["limit.bytes_per_s", "limit", (v) => rate(v, digits)], ["limit.share", "share of the limit", percent],
        ["limit.kind", "kind of limit", String], ["limit.source", "where it comes from", String]]],
    ["Ranks", [
        ["rank_time.slowest_rank", "slowest rank", String], ["rank_time.slowest_share", "how often", percent], ["rank_time.skew_ns", "skew of the start", time]]],
    ["Trust", [
        ["verify.checked_bytes", "bytes checked", count], ["verify.wrong_elements", "wrong elements", count], ["evidence.verdict", "road", String],
        ["evidence.fabric", "carried by", String], ["evidence.reason", "why", String], ["evidence.algorithm", "the library's algorithm", String],
        ["evidence.protocol", "its protocol", String], ["evidence.channels", "its channels", count], ["noise.foreign_cpu", "CPU of others", percent], ["noise.steal", "CPU stolen", percent],
        ["noise.involuntary_switches", "taken off a core", count], ["noise.oversubscribed", "more ranks than cores", yes], ["simulated", "simulated", yes]]],
    ["What it is", [
        ["transport", "transport", String], ["provider", "provider", String], ["fabric", "fabric", String], ["path", "path", String], ["mem", "memory", String],
        ["block_bytes", "bytes of a block", count], ["ranks", "ranks", count], ["hosts", "hosts", count], ["placement", "placement", String], ["algo", "algorithm", String],
        ["algo_chosen", "chosen by auto", String], ["dtype", "type", String], ["op", "operator", String]]],
];

function figure(result, i, [name, title, text]) {
    const value = result.get(i, name);
    if (value === undefined)
        return undefined;
    const host = name === "rank_time.slowest_rank" ? ` on ${result.host(value)}` : "";
    return [el("dt", {}, title), el("dd", { "data-field": name, "data-value": value }, text(value) + host)];
}

function intervalFigure(result, i) {
    const [low, high] = [result.get(i, "time_ns.ci95_low"), result.get(i, "time_ns.ci95_high")];
    return low !== undefined && [el("dt", {}, "95 % interval"), el("dd", { "data-field": "time_ns.ci95", "data-value": `${low} ${high}` }, interval(low, high, time))];
}

function group(result, i, [title, rows]) {
    const figures = rows.map((row) => figure(result, i, row)).filter(Boolean);
    if (title === "Time" && figures.length > 0)
        figures.splice(1, 0, intervalFigure(result, i));
    return figures.length > 0 && el("section", { class: "figures" }, el("h3", {}, title), el("dl", {}, figures));
}

function distribution(result, i) {
    const bins = result.histogram(i);
    return bins.length > 0 && el("section", {}, el("h3", {}, "Distribution"), histogram(bins, {
        median: result.get(i, "time_ns.median"), low: result.get(i, "time_ns.ci95_low"), high: result.get(i, "time_ns.ci95_high"),
        p90: result.get(i, "time_ns.p90"), p99: result.get(i, "time_ns.p99"), p999: result.get(i, "time_ns.p999"),
    }, result.summary.economy));
}

function listTable(title, list) {
    if (!list || list.length === 0)
        return undefined;
    const names = [...new Set(list.flatMap((row) => Object.keys(row)))];
    return el("section", {}, el("h3", {}, title), table(names, list.map((row) => names.map((n) => typeof row[n] === "number" ? count(row[n]) : row[n] ?? "–")), { label: title }));
}

function pairsTable(result, i) {
    const pairs = result.pairs(i);
    const who = (rank) => `${rank} on ${result.host(rank)}`;
    return pairs.length > 0 && el("section", {}, el("h3", {}, pairs.length > 100 ? `Pairs: the first 100 of ${count(pairs.length)}` : "Pairs"),
        table(["from rank", "to rank", "median", "bandwidth"], pairs.slice(0, 100).map((p) => [who(p.from), who(p.to), time(p.ns), rate(p.rate, digits)]), { label: "pairs" }));
}

function settings(result, i) {
    const all = Object.entries(result.json(i, "settings") ?? {});
    return all.length > 0 && el("section", { class: "figures" }, el("h3", {}, "Options not at their default"),
        el("dl", {}, all.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
}

// The same point in the other results of the page.
function elsewhere(model, result, id) {
    const others = model.results.filter((r) => r !== result && r.byId.has(id));
    const row = (r) => {
        const i = r.byId.get(id);
        return [el("a", { href: cellLink(model, r, i) }, resultName(r)), time(r.get(i, "time_ns.median")),
            interval(r.get(i, "time_ns.ci95_low"), r.get(i, "time_ns.ci95_high"), time), count(r.get(i, "time_ns.samples")), statusName(r.get(i, "status"))];
    };
    return others.length > 0 && el("section", {}, el("h3", {}, "In the other results"),
        table(["result", "median", "95 % interval", "samples", "status"], [result, ...others].map(row), { label: "in the other results" }));
}

function neighbours(model, result, i) {
    const key = curveKey(result.get(i, "id"), result.get(i, "bytes"));
    const cells = model.curves.find((c) => c.result === result && c.key === key).cells;
    const at = cells.indexOf(i);
    const link = (k, text, name) => k !== undefined && el("a", { href: cellLink(model, result, k), "data-go": name }, text(bytes(result.get(k, "bytes"))));
    return el("p", { class: "neighbours" }, link(cells[at - 1], (t) => `← ${t}`, "smaller"), link(cells[at + 1], (t) => `${t} →`, "larger"));
}

function content(model, result, i) {
    const id = result.get(i, "id"), status = result.get(i, "status");
    return [
        el("h2", { id: "cell-title" }, `${result.get(i, "bench")} · ${bytes(result.get(i, "bytes"))}`),
        el("p", { class: "facts" }, [labelOf(model, result, i), model.several && resultName(result)].filter(Boolean).join(" · ")),
        el("p", {}, el("span", { class: "chip still", "data-status": status }, el("i", { class: `dot fill-${status}` }), statusName(status)),
            result.get(i, "simulated") === 1 && el("span", { class: "chip still" }, "simulated")),
        result.get(i, "reason") && el("p", { class: "bad-text", "data-field": "reason" }, result.get(i, "reason")),
        neighbours(model, result, i),
        distribution(result, i),
        el("div", { class: "columns" }, groups.map((g) => group(result, i, g)), settings(result, i)),
        elsewhere(model, result, id),
        listTable("Claims of the transport", result.json(i, "evidence.claims")),
        listTable("Counters that moved", result.json(i, "evidence.counters")),
        pairsTable(result, i),
        el("p", { class: "facts mono", "data-field": "id" }, id),
    ].filter(Boolean);
}

let before;

export function openCell(model, result, i, id) {
    const dialog = byId("cell");
    if (i === undefined && id === null || id === undefined) {
        dialog.close();
        return;
    }
    const inside = i === undefined ? [el("h2", { id: "cell-title" }, "No such cell"), el("p", { class: "mono" }, id)] : content(model, result, i);
    dialog.replaceChildren(el("button", { type: "button", class: "close", "aria-label": "close", onclick: () => dialog.close() }, "✕"), el("div", { class: "inside" }, inside));
    dialog.scrollTop = 0;
    if (!dialog.open) {
        before = document.activeElement;
        dialog.addEventListener("close", () => { leaveCell(); before?.focus?.({ preventScroll: true }); }, { once: true });
        dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
        dialog.showModal();
    }
    document.title = i === undefined ? "wiremark report" : `${result.get(i, "bench")} ${bytes(result.get(i, "bytes"))} – wiremark report`;
}
