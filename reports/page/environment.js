// On what was measured; where results differ, that first.
import { el, table } from "./dom.js";
import { count, plural } from "./format.js";
import { resultName } from "./model.js";

// Variables that a launcher gives each launch anew.
const ofLaunch = /^OMPI_(MCA_(orte|ess|initial_wdir)|COMM_WORLD|FILE_LOCATION|ARGV|COMMAND|APP_CTX|FIRST_RANKS|NUM_APP|UNIVERSE)|^SLURM_(JOB|TASK|STEP|LAUNCH|PROCID|LOCALID)/;

function facts({ document: d }) {
    const e = d.environment ?? {}, ranks = d.world?.ranks ?? [];
    const hosts = new Set(ranks.map((r) => r.host));
    const flat = { "wiremark": [d.tool?.version, d.tool?.commit].filter(Boolean).join(" "), "built with": d.tool?.components, "command line": (d.run?.argv ?? []).join(" "),
        "seed": d.run?.seed, "precision": d.run?.precision, "ranks": `${ranks.length} on ${plural(hosts.size, "host")}`, "kernel": e.kernel, "MPI": e.mpi };
    for (const [name, version] of Object.entries(e.versions ?? {}))
        flat[`version of ${name}`] = version;
    for (const [name, value] of Object.entries(e.clock ?? {}))
        flat[`clock: ${name}`] = value;
    for (const kind of d.topology?.kinds ?? [])
        for (const [name, text] of nodeFacts(kind))
            flat[`${name} of ${hostsText(kind.hosts)}`] = text;
    return flat;
}

function hostsText(hosts = []) {
    return hosts.length > 4 ? `${hosts.slice(0, 3).join(", ")} and ${hosts.length - 3} more hosts` : hosts.join(", ") || "the host";
}

function nodeFacts(kind) {
    const links = (kind.pci ?? []).filter((p) => p.link_width).map((p) => `${p.address} x${p.link_width}${p.link_gt_per_s ? ` at ${p.link_gt_per_s} GT/s` : ""}${p.link_max_width > p.link_width ? ` (of x${p.link_max_width})` : ""}`);
    const ports = (kind.rdma ?? []).flatMap((r) => (r.ports ?? []).map((p) => `${r.name}/${p.number} ${[p.fabric, p.rate, p.state].filter(Boolean).join(" ")}${r.firmware ? `, firmware ${r.firmware}` : ""}`));
    return [["machine", kind.machine], ["processor", kind.cpu_model && `${kind.cpu_model}, ${kind.cores ?? "?"} cores, ${kind.threads ?? "?"} threads, ${plural((kind.numa ?? []).length, "NUMA node")}`],
        ["GPUs", (kind.gpus ?? []).map((g) => [g.name, g.driver && `driver ${g.driver}`].filter(Boolean).join(", ")).join("; ")],
        ["RDMA ports", ports.join("; ")], ["PCI links", links.slice(0, 16).join("; ")],
        ["interfaces", (kind.netifs ?? []).filter((n) => !n.loopback).map((n) => [n.name, n.driver, n.bytes_per_s && `${n.bytes_per_s * 8 / 1e9} Gb/s`].filter(Boolean).join(" ")).join("; ")]]
        .filter(([, text]) => text);
}

function rows(all, names, key) {
    return names.map((name) => {
        const values = all.map((f) => f[name] === undefined || f[name] === "" ? "–" : String(f[name]));
        return { key, name, values, differs: new Set(values).size > 1 };
    }).filter((row) => row.values.some((v) => v !== "–"));
}

function namesOf(all) {
    return [...new Set(all.flatMap((f) => Object.keys(f)))];
}

function factTable(model, list, label) {
    const head = model.several ? ["", ...model.results.map(resultName)] : undefined;
    return table(head, list.map((row) => [row.name, ...row.values]), { label, class: "environment" });
}

function rankTable(result, several) {
    const ranks = result.document.world?.ranks ?? [];
    const shown = ranks.slice(0, 256);
    const names = ["rank", "host", "local_rank", "cpus", "numa", "gpu", "nic"].filter((n) => ranks.some((r) => r[n] !== undefined));
    return el("details", { open: ranks.length <= 8 && !several }, el("summary", {}, `Ranks${several ? ` of ${resultName(result)}` : ""}: where each ran (${count(ranks.length)})`),
        table(names.map((n) => n.replace("_", " ")), shown.map((r) => names.map((n) => r[n] ?? "–")), { label: "ranks" }),
        ranks.length > shown.length && el("p", { class: "facts" }, `and ${count(ranks.length - shown.length)} more, in the JSON file`));
}

// Verdicts of the evidence by transport, with the reasons.
function evidenceTable(model) {
    const found = new Map();
    for (const r of model.results)
        for (let i = 0; i < r.cells; i++) {
            const verdict = r.get(i, "evidence.verdict");
            if (!verdict)
                continue;
            const row = [r.get(i, "transport"), verdict, r.get(i, "evidence.fabric") ?? r.get(i, "fabric") ?? "–", r.get(i, "evidence.reason") ?? "–"];
            const key = JSON.stringify(row);
            found.set(key, { row, cells: (found.get(key)?.cells ?? 0) + 1 });
        }
    const all = [...found.values()].sort((a, b) => b.cells - a.cells).slice(0, 40);
    return all.length === 0 ? el("p", { class: "facts" }, "No byte had to leave a host, or the counters were not looked at: there is no evidence of the road.") :
        table(["transport", "verdict", "fabric", "reason", "cells"], all.map(({ row, cells }) => [...row, count(cells)]), { label: "evidence" });
}

export function environmentSection(model) {
    const all = rows(model.results.map(facts), namesOf(model.results.map(facts)));
    const variables = model.results.map((r) => r.document.environment?.variables ?? {});
    const vars = rows(variables, namesOf(variables).sort());
    const differing = model.several ? [...all, ...vars].filter((row) => row.differs && !ofLaunch.test(row.name)) : [];
    const same = model.several ? all.filter((row) => !row.differs) : all;
    return [
        differing.length > 0 && [el("h3", {}, "What differs between the results"), factTable(model, differing, "differences")],
        el("h3", {}, model.several ? "What is the same" : "Machine and software"), factTable(model, same, "environment"),
        el("h3", {}, "Evidence: which road the bytes took"), evidenceTable(model),
        model.results.map((r) => rankTable(r, model.several)),
        vars.length > 0 && el("details", {}, el("summary", {}, `Variables (${count(vars.length)})`), factTable(model, vars, "variables")),
        model.results.map((r) => r.document.topology && el("details", {}, el("summary", {}, `Hardware in full${model.several ? ` of ${resultName(r)}` : ""}`),
            el("pre", { tabindex: "0" }, JSON.stringify(r.document.topology, null, 2).split("\n").flatMap((line) => [line, el("br")])))),
    ].flat(2).filter(Boolean);
}
