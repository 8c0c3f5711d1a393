// Light or dark: the system's wish, or the reader's.
import { byId } from "./dom.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const watchers = [];

export function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : system.matches;
}

export function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// What is drawn on a canvas is drawn anew when the colours change.
export function onTheme(redraw) {
    watchers.push(redraw);
}

function changed() {
    byId("theme").textContent = isDark() ? "light" : "dark";
    byId("theme").setAttribute("aria-label", `switch to ${isDark() ? "light" : "dark"} colours`);
    for (const redraw of watchers)
        redraw();
}

export function startTheme() {
    system.addEventListener("change", changed);
    byId("theme").addEventListener("click", () => {
        document.documentElement.dataset.theme = isDark() ? "light" : "dark";
        changed();
    });
    changed();
}
