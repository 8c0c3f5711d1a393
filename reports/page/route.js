// Links to a cell: #cell=ID, on a page of several results with &result=NUMBER.

export function cellLink(model, result, i) {
    const query = new URLSearchParams({ cell: result.get(i, "id") });
    if (model.several)
        query.set("result", String(result.index + 1));
    return `#${query}`;
}

export function leaveCell() {
    if (location.hash.startsWith("#cell="))
        history.pushState(null, "", "#");
}

function route(model, open) {
    const query = location.hash.startsWith("#cell=") ? new URLSearchParams(location.hash.slice(1)) : undefined;
    const result = model.results[Number(query?.get("result") ?? 1) - 1];
    open(model, result, result?.byId.get(query?.get("cell")), query?.get("cell"));
}

export function followRoutes(model, open) {
    addEventListener("hashchange", () => route(model, open));
    addEventListener("popstate", () => route(model, open));
    const section = location.hash.length > 1 && !location.hash.includes("=") && document.getElementById(location.hash.slice(1));
    if (section)
        section.scrollIntoView();
    route(model, open);
}
