// Unpacks what reports/page.c wrote: gzip in base64, columns of cells, and each document without its cells.

async function unpack(text) {
    const packed = atob(text);
    const bytes = new Uint8Array(packed.length);
    for (let i = 0; i < packed.length; i++)
        bytes[i] = packed.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
}

export class Result {
    constructor(summary, index) {
        Object.assign(this, { summary, index, cells: 0, columns: {}, document: {} });
        this.name = summary.file;
    }

    // Of cell i; undefined where it was not measured. Lists stand as they are packed.
    get(i, name) {
        const column = this.columns[name];
        const value = column === undefined ? undefined : column[i];
        return value === null ? undefined : value;
    }

    json(i, name) {
        const text = this.get(i, name);
        return text === undefined ? undefined : JSON.parse(text);
    }

    // [{low, count, steps}]: where each bin begins, and how many steps of 1 % it is wide.
    histogram(i) {
        const packed = this.get(i, "histogram");
        if (packed === undefined)
            return [];
        const bins = [];
        let step = 0;
        for (let k = 0; k < packed.length; k += 2) {
            step += k === 0 ? 0 : packed[k];
            bins.push({ low: packed[0] * 1.01 ** step, count: packed[k + 1] });
        }
        return bins;
    }

    pairs(i) {
        const packed = this.get(i, "pairs");
        const pairs = [];
        for (let k = 0; packed !== undefined && k < packed.length; k += 4)
            pairs.push({ from: packed[k], to: packed[k + 1], ns: packed[k + 2] ?? undefined, rate: packed[k + 3] ?? undefined });
        return pairs;
    }

    host(rank) {
        return this.hosts?.get(rank) ?? "?";
    }

    add(chunk) {
        for (const [name, values] of Object.entries(chunk.columns)) {
            const column = this.columns[name] ??= new Array(this.cells).fill(null);
            const { texts, of } = values;
            for (const value of of ?? texts ?? values)
                column.push(of ? texts[value] ?? null : value);
        }
        this.cells += chunk.cells;
        for (const column of Object.values(this.columns))
            while (column.length < this.cells)
                column.push(null);
    }
}

export async function load(summaries) {
    const results = summaries.map((summary, i) => new Result(summary, i));
    for (const element of document.querySelectorAll("script.data")) {
        const chunk = await unpack(element.textContent);
        element.remove();
        const result = results[chunk.result];
        if (chunk.document) {
            result.document = chunk.document;
            result.hosts = new Map((chunk.document.world?.ranks ?? []).map((r) => [r.rank, r.host]));
        } else {
            result.add(chunk);
        }
    }
    return results;
}
