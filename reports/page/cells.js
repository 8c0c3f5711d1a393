// All cells, searched, sorted and filtered; only the rows in sight exist.
import { byId, el, select } from "./dom.js";
import { interval, ns, percent, plural, rate, shortBytes, statusName } from "./format.js";
import { bandwidth, labelOf, resultName } from "./model.js";
import { cellLink } from "./route.js";

const rowHeight = 34, spare = 10;

const flags = {
    simulated: (r, i) => r.get(i, "simulated") === 1,
    proven: (r, i) => r.get(i, "evidence.verdict") === "proven",
    unproven: (r, i) => r.get(i, "evidence.verdict") === "unproven",
    contradicted: (r, i) => r.get(i, "evidence.verdict") === "contradicted",
    above_limit: (r, i) => r.get(i, "limit.share") > 1 && r.get(i, "limit.kind") !== "estimate",
    not_converged: (r, i) => r.get(i, "time_ns.converged") === 0,
    oversubscribed: (r, i) => r.get(i, "noise.oversubscribed") === 1,
    wrong_data: (r, i) => r.get(i, "verify.wrong_elements") > 0,
};

export const hasFlag = (result, i, flag) => flags[flag](result, i);

// [name, heading, sort value, text, class]
const columns = [
    ["bench", "benchmark", (r, i) => r.get(i, "bench"), (r, i) => r.get(i, "bench"), ""],
    ["label", "what", (r, i, m) => labelOf(m, r, i), (r, i, m) => labelOf(m, r, i), "wide"],
    ["bytes", "size", (r, i) => r.get(i, "bytes"), (r, i) => shortBytes(r.get(i, "bytes")), "number"],
    ["median", "median", (r, i) => r.get(i, "time_ns.median"), (r, i) => ns(r.get(i, "time_ns.median")), "number"],
    ["interval", "95 % interval", (r, i) => r.get(i, "time_ns.ci95_low"), (r, i) => interval(r.get(i, "time_ns.ci95_low"), r.get(i, "time_ns.ci95_high")), "number middle"],
    ["p99", "p99", (r, i) => r.get(i, "time_ns.p99"), (r, i) => ns(r.get(i, "time_ns.p99")), "number middle"],
    ["bandwidth", "bandwidth", bandwidth, (r, i) => rate(bandwidth(r, i)), "number"],
    ["share", "of limit", (r, i) => r.get(i, "limit.share"), (r, i) => shareText(r, i), "number middle"],
    ["status", "status", (r, i) => r.get(i, "status"), (r, i) => statusText(r, i), ""],
];

function shareText(r, i) {
    const share = r.get(i, "limit.share");
    return share === undefined ? "–" : `${r.get(i, "limit.kind") === "estimate" ? "~" : ""}${percent(share)}`;
}

function statusText(r, i) {
    const words = [statusName(r.get(i, "status"))];
    if (r.get(i, "simulated") === 1)
        words.push("simulated");
    if (r.get(i, "evidence.verdict"))
        words.push(r.get(i, "evidence.verdict"));
    return words.join(", ");
}

const compare = (a, b) => a === b ? 0 : a === undefined ? 1 : b === undefined ? -1 : a < b ? -1 : 1;

let table;

class Cells {
    constructor(model) {
        this.model = model;
        this.all = model.results.flatMap((r) => Array.from({ length: r.cells }, (_, i) => [r, i]));
        this.filter = {};
        this.active = 0;
        this.controls = el("div", { class: "controls" });
        this.said = el("p", { class: "facts", role: "status" });
        this.body = el("tbody", {});
        this.columns = model.several ? [["result", "result", (r) => r.index, (r) => resultName(r), ""], ...columns] : columns;
        this.head = el("thead", {}, el("tr", {}, this.columns.map(([name, title, , , kind]) => el("th", { scope: "col", class: kind, "data-column": name },
            el("button", { type: "button", onclick: () => this.sortBy(name) }, title)))));
        this.box = el("div", { class: "scroll cells", tabindex: "0", role: "region", "aria-label": "cells; arrow keys choose, Enter opens",
            onscroll: () => this.drawRows(), onkeydown: (event) => this.key(event) }, el("table", { "aria-rowcount": this.all.length }, this.head, this.body));
        this.drawControls();
        this.apply();
    }

    drawControls() {
        const benches = [["", "all"], ...this.model.benches.map((b) => [b, b])];
        const statuses = [["", "any"], ...new Set(this.all.map(([r, i]) => r.get(i, "status")))].map((s) => Array.isArray(s) ? s : [s, statusName(s)]);
        const present = Object.keys(flags).filter((f) => this.model.results.some((r) => r.summary.counts[f] > 0));
        const search = el("input", { type: "search", placeholder: "words of the id or reason", "aria-label": "find cells", value: this.filter.text ?? "",
            oninput: () => { this.filter.text = search.value; this.apply(); } });
        this.controls.replaceChildren(search,
            select("benchmark", benches, this.filter.bench ?? "", (v) => this.set({ bench: v })),
            select("status", statuses, this.filter.status ?? "", (v) => this.set({ status: v })),
            ...(present.length ? [select("that are", [["", "any"], ...present.map((f) => [f, f.replace(/_/g, " ")])], this.filter.flag ?? "", (v) => this.set({ flag: v }))] : []),
            ...(this.model.several ? [select("result", [["", "all"], ...this.model.results.map((r) => [String(r.index), resultName(r)])], String(this.filter.result ?? ""), (v) => this.set({ result: v === "" ? undefined : Number(v) }))] : []));
    }

    set(part) {
        Object.assign(this.filter, part);
        this.apply();
    }

    reset(filter) {
        this.filter = { ...filter, result: this.model.several ? filter.result : undefined };
        this.drawControls();
        this.apply();
    }

    sortBy(name) {
        this.descending = this.sorted === name && !this.descending;
        this.sorted = name;
        for (const th of this.head.querySelectorAll("th"))
            th.dataset.column === name ? th.setAttribute("aria-sort", this.descending ? "descending" : "ascending") : th.removeAttribute("aria-sort");
        this.apply();
    }

    fits([r, i], words) {
        const f = this.filter;
        if ((f.result !== undefined && r.index !== f.result) || (f.bench && r.get(i, "bench") !== f.bench) ||
            (f.status && r.get(i, "status") !== f.status) || (f.flag && !flags[f.flag](r, i)))
            return false;
        const text = words.length > 0 && `${r.get(i, "id")} ${r.get(i, "reason") ?? ""}`.toLowerCase();
        return words.every((word) => text.includes(word));
    }

    apply() {
        const words = (this.filter.text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
        this.rows = this.all.filter((cell) => this.fits(cell, words));
        const by = this.columns.find(([name]) => name === this.sorted);
        if (by) {
            const valued = this.rows.map((cell) => [by[2](...cell, this.model), cell]);
            valued.sort(([a], [b]) => a === undefined || b === undefined || !this.descending ? compare(a, b) : compare(b, a));
            this.rows = valued.map(([, cell]) => cell);
        }
        this.active = 0;
        this.said.textContent = this.rows.length === this.all.length ? plural(this.all.length, "cell") : `${plural(this.rows.length, "cell")} of ${this.all.length}`;
        this.box.scrollTop = 0;
        this.drawRows(true);
    }

    row([r, i], at) {
        return el("tr", { "data-status": r.get(i, "status"), "data-at": at, class: at === this.active ? "active" : "", "aria-rowindex": at + 1 },
            this.columns.map(([name, , , text, kind]) => {
                const value = text(r, i, this.model);
                return el("td", { class: kind, "data-column": name, title: kind === "wide" ? r.get(i, "id") : undefined },
                    name === "bench" ? el("a", { href: cellLink(this.model, r, i) }, value) : value);
            }));
    }

    drawRows(always) {
        const visible = Math.ceil((this.box.clientHeight || 480) / rowHeight);
        const from = Math.max(0, Math.floor(this.box.scrollTop / rowHeight) - spare);
        const to = Math.min(this.rows.length, from + visible + 2 * spare);
        if (!always && from === this.from && to === this.to)
            return;
        [this.from, this.to] = [from, to];
        const gap = (rows) => el("tr", { class: "gap", "aria-hidden": "true" }, el("td", { colspan: this.columns.length, style: `height:${rows * rowHeight}px` }));
        const focused = this.body.contains(document.activeElement);
        this.body.replaceChildren(gap(from), ...this.rows.slice(from, to).map((cell, k) => this.row(cell, from + k)), gap(this.rows.length - to));
        if (focused)
            this.box.focus({ preventScroll: true });
    }

    key(event) {
        const page = Math.max(1, Math.floor(this.box.clientHeight / rowHeight) - 2);
        const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
        if (event.key === "Enter" && event.target === this.box && this.rows[this.active]) {
            event.preventDefault(); // or it would press what the dialog focuses
            location.hash = cellLink(this.model, ...this.rows[this.active]);
        }
        if (by === undefined || this.rows.length === 0)
            return;
        event.preventDefault();
        this.active = Math.max(0, Math.min(this.rows.length - 1, this.active + by));
        const top = this.active * rowHeight, head = this.head.offsetHeight;
        if (top < this.box.scrollTop)
            this.box.scrollTop = top;
        else if (top + rowHeight + head > this.box.scrollTop + this.box.clientHeight)
            this.box.scrollTop = top + rowHeight + head - this.box.clientHeight;
        this.drawRows(true);
    }
}

// From the verdict: the cells that a number there counts.
export function filterCells(filter) {
    if (!table)
        return;
    table.reset(filter);
    byId("cells").scrollIntoView();
    table.box.focus({ preventScroll: true });
}

export function cellsSection(model) {
    table = new Cells(model);
    return [table.controls, table.said, table.box];
}
