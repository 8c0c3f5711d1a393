// Elements whose text is only ever text: nothing of a result is parsed as HTML.

const svgSpace = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

// Control characters and those that turn the direction of writing, made visible.
export function visible(text) {
    return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => {
        const code = c.charCodeAt(0);
        if (code < 32)
            return String.fromCharCode(0x2400 + code);
        return code === 127 ? "\u2421" : `\\u${code.toString(16).padStart(4, "0")}`;
    });
}

function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on"))
            node.addEventListener(name.slice(2), value);
        else if (value === true)
            node.setAttribute(name, "");
        else if (value !== undefined && value !== null && value !== false)
            node.setAttribute(name, value);
    }
    for (const child of children.flat(3))
        if (child !== undefined && child !== null && child !== false)
            node.append(child instanceof Node ? child : visible(child));
    return node;
}

export function el(tag, attributes = {}, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
    return fill(document.createElementNS(svgSpace, tag), attributes, children);
}

export function select(label, options, value, onchange) {
    const input = el("select", { onchange: () => onchange(input.value) },
        options.map(([name, text]) => el("option", { value: name, selected: name === value }, text)));
    return el("label", { class: "control" }, el("span", {}, label), input);
}

export function checkbox(label, checked, onchange) {
    const input = el("input", { type: "checkbox", checked, onchange: () => onchange(input.checked) });
    return el("label", { class: "check" }, input, label);
}

// rows: lists of cells, each text or node; the first column heads its row.
export function table(head, rows, attributes = {}) {
    return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": attributes.label || "table" },
        el("table", { class: attributes.class },
            head && el("thead", {}, el("tr", {}, head.map((h) => el("th", { scope: "col" }, h)))),
            el("tbody", {}, rows.map((row) => el("tr", {},
                row.map((c, i) => i === 0 ? el("th", { scope: "row" }, c) : el("td", {}, c)))))));
}
