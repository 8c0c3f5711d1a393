// What the run came to: complete or not, what is missing and why, what is not to be believed.
import { filterCells } from "./cells.js";
import { byId, el, table } from "./dom.js";
import { count, plural, statusName } from "./format.js";

const statuses = ["measured", "failed", "timeout", "skipped", "not_run"];

// [name, severity, what it means]
const doubts = [
    ["wrong_data", "bad", "with wrong data"],
    ["contradicted", "bad", "contradicted: the counters say that other roads carried the bytes"],
    ["above_limit", "bad", "above a limit that cannot be exceeded"],
    ["simulated", "warn", "simulated: not for decisions"],
    ["unproven", "note", "whose road is not proven"],
    ["oversubscribed", "note", "with more ranks on a host than cores"],
    ["not_converged", "note", "with an interval wider than was asked for"],
    ["proven", "good", "whose road is proven by the kernel's counters"],
];

function coverageDiffers(summary) {
    return statuses.some((s) => (summary.coverage?.[s] ?? 0) !== summary.counts[s]);
}

function judge(summary) {
    const { counts, coverage } = summary;
    const planned = coverage?.planned ?? 0;
    if (!summary.complete)
        return ["bad", `Not complete: ended by ${summary.ended_by}`];
    if (coverageDiffers(summary))
        return ["bad", "The coverage that the file states is not that of its cells"];
    if (counts.failed || counts.timeout || counts.wrong_data || counts.contradicted)
        return ["bad", "Complete, with cells that failed"];
    if (counts.measured < planned)
        return ["warn", "Complete, but not all was measured"];
    if (counts.simulated || counts.above_limit)
        return ["warn", "Complete, but not all is to be believed"];
    if (planned === 0)
        return ["warn", "Nothing was planned"];
    return ["good", `Complete: ${planned === 1 ? "the one planned cell was" : `all ${count(planned)} planned cells were`} measured`];
}

function coverageBar(summary, index) {
    const { counts } = summary;
    const known = statuses.filter((s) => counts[s] > 0);
    return el("div", { class: "coverage" },
        el("div", { class: "coverage-bar", role: "img", "aria-label": known.map((s) => `${counts[s]} ${statusName(s)}`).join(", ") },
            known.map((s) => el("span", { class: `fill-${s}`, style: `flex-grow:${counts[s]}` }))),
        el("div", { class: "chips" }, known.map((s) => el("button", {
            type: "button", class: "chip", "data-status": s, onclick: () => filterCells({ status: s, result: index }),
        }, el("i", { class: `dot fill-${s}` }), `${count(counts[s])} ${statusName(s)}`))));
}

function doubtList(summary, index) {
    const items = doubts.filter(([name]) => summary.counts[name] > 0).map(([name, severity, meaning]) =>
        el("li", { class: severity }, el("button", {
            type: "button", class: "link", "data-flag": name, onclick: () => filterCells({ flag: name, result: index }),
        }, plural(summary.counts[name], "cell")), ` ${meaning}`));
    return items.length > 0 && el("ul", { class: "doubts" }, items);
}

function card(summary, index, several) {
    const [severity, text] = judge(summary);
    return el("article", { class: `card verdict ${severity}`, "data-verdict": severity },
        several && el("p", { class: "file" }, `${index + 1}: ${summary.file}`),
        el("p", { class: "headline" }, el("span", { class: "mark", "aria-hidden": "true" }, { good: "✓", warn: "!", bad: "✕" }[severity]), text),
        coverageBar(summary, index),
        doubtList(summary, index),
        el("div", { id: `why-${index}` }),
        el("p", { class: "facts" },
            [!several && summary.file, summary.run?.started_utc && `began ${summary.run.started_utc}`,
                summary.ended_utc && `ended ${summary.ended_utc}`, `wiremark ${summary.tool?.version ?? "?"}`,
                summary.run?.id && `run ${summary.run.id}`].filter(Boolean).join(" · ")),
        el("p", { class: "facts mono" }, `$ wiremark ${(summary.run?.argv ?? []).join(" ")}`),
        summary.economy && el("p", { class: "facts" },
            "The result is large: this page joins the bins of its histograms and leaves out counters; the JSON file has all."));
}

export function verdictSection(summaries) {
    return el("section", { id: "verdict", "aria-label": "Verdict" }, el("h1", {}, "Report"),
        summaries.map((summary, i) => card(summary, i, summaries.length > 1)));
}

function reasons(result) {
    const found = new Map();
    for (let i = 0; i < result.cells; i++) {
        const status = result.get(i, "status");
        const reason = result.get(i, "reason") ?? "";
        if (status === "measured")
            continue;
        const key = `${status}\n${reason}`;
        const entry = found.get(key) ?? { status, reason, cells: 0 };
        entry.cells++;
        found.set(key, entry);
    }
    return [...found.values()].sort((a, b) => statuses.indexOf(a.status) - statuses.indexOf(b.status) || b.cells - a.cells);
}

function reasonTable(result) {
    const all = reasons(result);
    if (all.length === 0)
        return undefined;
    const shown = all.slice(0, 20);
    return [el("h3", {}, "Not measured, and why"),
        table(["status", "cells", "reason"], shown.map((r) => [statusName(r.status),
            el("button", { type: "button", class: "link", onclick: () => filterCells({ status: r.status, text: r.reason, result: result.index }) }, count(r.cells)),
            r.reason]), { label: "not measured, and why", class: "reasons" }),
        all.length > shown.length && el("p", { class: "facts" }, `and ${plural(all.length - shown.length, "further reason")}: see the cells`)];
}

function absent(document) {
    const list = document.coverage?.unavailable ?? [];
    return list.length > 0 && [el("h3", {}, "Not on this machine"),
        table(undefined, list.map((u) => [u.name, u.reason]), { label: "not on this machine" })];
}

function fallbacks(document) {
    const found = (document.comparisons ?? []).filter((c) => c.suspected_fallback);
    return found.map((c) => el("p", { class: "bad-text", "data-fallback": c.bench },
        `Suspected fall-back in ${c.bench}: ${c.arms.join(" against ")}`,
        typeof c.suspected_fallback === "string" && ` – ${c.suspected_fallback}`));
}

export function verdictDetails(model) {
    for (const result of model.results) {
        const warnings = (result.document.world?.warnings ?? []).map((w) => el("p", { class: "warn-text" }, w));
        byId(`why-${result.index}`).append(...[fallbacks(result.document), warnings, reasonTable(result), absent(result.document)].flat(3).filter(Boolean));
    }
}
