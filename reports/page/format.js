// The only place where numbers meet units: as on the command line, sizes are powers of 1024, rates are SI.

function scaled(value, step, units, digits) {
    let i = 0;
    while (i + 1 < units.length && Math.abs(value) >= step * (1 - 5 * 10 ** -(digits + 1))) {
        value /= step;
        i++;
    }
    return `${significant(value, digits)} ${units[i]}`;
}

export function significant(value, digits = 3) {
    if (value === 0 || !Number.isFinite(value))
        return String(value);
    const text = value.toPrecision(digits);
    return text.includes("e") || digits > 3 ? String(Number(text)) : text;
}

export function ns(value, digits = 3) {
    return value === undefined ? "–" : scaled(value, 1000, ["ns", "µs", "ms", "s"], digits);
}

export function rate(value, digits = 3) {
    return value === undefined ? "–" : scaled(value, 1000, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"], digits);
}

export function perSecond(value) {
    return value === undefined ? "–" : scaled(value, 1000, ["/s", "k/s", "M/s", "G/s"], 3);
}

export function bytes(value) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let i = 0;
    while (i + 1 < units.length && value >= 1024 && value % 1024 === 0) {
        value /= 1024;
        i++;
    }
    return `${value} ${units[i]}`;
}

export function shortBytes(value) {
    return bytes(value).replace(/ (.)(iB)?/, (_, unit) => unit === "B" ? "" : unit);
}

export function percent(share) {
    return share === undefined ? "–" : `${significant(share * 100)} %`;
}

export function count(value) {
    return value === undefined ? "–" : value.toLocaleString("en");
}

export function ratio(value) {
    return value === undefined ? "–" : significant(value);
}

export function plural(n, one, many = `${one}s`) {
    return `${count(n)} ${n === 1 ? one : many}`;
}

// Both ends in the unit of the upper one.
export function interval(low, high, format = ns) {
    if (low === undefined || high === undefined)
        return "–";
    const [a, b] = [format(low), format(high)];
    const unit = b.slice((b + " ").indexOf(" "));
    return unit !== "" && a.endsWith(unit) ? `${a.slice(0, -unit.length)} – ${b}` : `${a} – ${b}`;
}

const statusNames = { measured: "measured", failed: "failed", timeout: "timed out", skipped: "skipped", not_run: "not run" };

export const statusName = (status) => statusNames[status] ?? status;
