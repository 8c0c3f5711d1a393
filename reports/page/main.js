// Draws the verdict from the summary at once, and the rest when the cells are unpacked.
import { openCell } from "./cell.js";
import { cellsSection } from "./cells.js";
import { comparisonsSection } from "./comparisons.js";
import { curvesSection } from "./curves.js";
import { load } from "./data.js";
import { byId, el } from "./dom.js";
import { environmentSection } from "./environment.js";
import { buildModel } from "./model.js";
import { pairsSection } from "./pairs.js";
import { followRoutes } from "./route.js";
import { startTheme } from "./theme.js";
import { verdictDetails, verdictSection } from "./verdict.js";

const sections = [
    ["curves", "Curves", curvesSection],
    ["comparisons", "Comparisons", comparisonsSection],
    ["pairs", "Pairs", pairsSection],
    ["cells", "Cells", cellsSection],
    ["environment", "Environment", environmentSection],
];

// A part of the page that cannot be drawn says so, and the others stand.
function draw(id, title, build, model) {
    const section = el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title));
    let content;
    try {
        content = build(model);
    } catch (error) {
        console.error(error);
        content = el("p", { class: "bad-text" }, `This part could not be drawn: ${error.message}`);
    }
    if (!content)
        return;
    section.append(...[content].flat());
    byId("main").append(section);
    byId("nav").append(el("a", { href: `#${id}` }, title));
}

async function start() {
    const summaries = JSON.parse(byId("summary").textContent);
    startTheme();
    byId("nav").append(el("a", { href: "#verdict" }, "Verdict"));
    byId("main").append(verdictSection(summaries));
    const waiting = el("p", { id: "loading", role: "status" }, "Unpacking the cells …");
    byId("main").append(waiting);
    if (document.readyState === "loading")
        await new Promise((done) => document.addEventListener("DOMContentLoaded", done, { once: true }));
    await new Promise((done) => setTimeout(done, 0)); // let what stands be painted
    try {
        const model = buildModel(await load(summaries));
        waiting.remove();
        verdictDetails(model);
        for (const [id, title, build] of sections)
            draw(id, title, build, model);
        followRoutes(model, openCell);
    } catch (error) {
        console.error(error);
        waiting.textContent = `The cells could not be unpacked: ${error.message}`;
        waiting.className = "bad-text";
    }
    document.documentElement.dataset.state = "ready";
}

start();
