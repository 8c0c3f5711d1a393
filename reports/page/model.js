// Cells as curves: those whose ids differ in nothing but the bytes.

export function curveKey(id, bytes) {
    return id.replace(` bytes=${bytes}`, "");
}

// Words that not all of the keys have: what is left tells them apart; of a single one nothing is left.
export function distinguish(keys) {
    const split = keys.map((key) => key.split(" "));
    const seen = new Map();
    for (const words of split)
        for (const word of new Set(words))
            seen.set(word, (seen.get(word) ?? 0) + 1);
    return split.map((words) => words.filter((word) => seen.get(word) < keys.length).join(" "));
}

function curvesOf(result, curves, byId) {
    for (let i = 0; i < result.cells; i++) {
        const id = result.get(i, "id");
        const key = curveKey(id, result.get(i, "bytes"));
        const whole = `${result.index}\n${key}`;
        let curve = curves.get(whole);
        if (!curve)
            curves.set(whole, curve = { result, key, bench: result.get(i, "bench"), cells: [] });
        curve.cells.push(i);
        byId.set(id, i);
    }
}

export function buildModel(results) {
    const curves = new Map();
    for (const result of results) {
        result.byId = new Map();
        curvesOf(result, curves, result.byId);
    }
    const list = [...curves.values()];
    for (const curve of list)
        curve.cells.sort((a, b) => curve.result.get(a, "bytes") - curve.result.get(b, "bytes"));
    const benches = [...new Set(list.map((curve) => curve.bench))];
    const labels = new Map();
    for (const bench of benches) {
        const keys = [...new Set(list.filter((curve) => curve.bench === bench).map((curve) => curve.key))];
        distinguish(keys).forEach((label, i) => labels.set(keys[i], label || keys[i].replace(/^bench=\S* transport=/, "")));
    }
    for (const curve of list)
        curve.label = labels.get(curve.key);
    return { results, curves: list, labels, benches, several: results.length > 1 };
}

export function labelOf(model, result, i) {
    return model.labels.get(curveKey(result.get(i, "id"), result.get(i, "bytes"))) ?? "";
}

// What a cell is held against: bus bandwidth, else the bandwidth.
export function bandwidth(result, i) {
    return result.get(i, "bandwidth.bus_bytes_per_s") ?? result.get(i, "bandwidth.alg_bytes_per_s");
}

// A result's name beside others on the page.
export function resultName(result) {
    return `${result.index + 1}: ${result.name}`;
}
