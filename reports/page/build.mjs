// Bundles the page: script, style and text in one file, cut where the data go, as C. usage: node build.mjs MODULES OUT.c
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = resolve(process.argv[2]);
const esbuild = createRequire(join(modules, "any.js"))("esbuild");

function bundle(entry) {
    const built = esbuild.buildSync({
        entryPoints: [join(here, entry)], bundle: true, minify: true, write: false, format: "iife", charset: "utf8",
        target: ["chrome90", "firefox113", "safari16.4"], nodePaths: [modules], logLevel: "error",
    });
    return built.outputFiles[0].text;
}

// Inside their elements these would end them.
function inline(text, what) {
    if (/<\/(script|style)|<!--/i.test(text))
        throw new Error(`${what} holds what would end its element`);
    return text;
}

function cString(text) {
    const lines = Buffer.from(text, "utf8").toString("latin1").match(/[^]{1,100}/g);
    const escape = (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`;
    return lines.map((line) => `"${line.replace(/[^ !#->@-[\]-~]/g, escape)}"`).join("\n");
}

const page = readFileSync(join(here, "page.html"), "utf8")
    .replace("/*style*/", () => inline(bundle("page.css"), "the style"))
    .replace("/*script*/", () => inline(bundle("main.js"), "the script"));
const parts = page.split(/\/\*summary\*\/|<!--cells-->/);
if (parts.length !== 3)
    throw new Error("page.html lacks a place for the data");
const names = ["head", "middle", "foot"];
writeFileSync(process.argv[3], [
    '/* Made by reports/page/build.mjs. */\n#include "reports/page.h"\n',
    ...names.map((name, i) => `static const char ${name}[] =\n${cString(parts[i])};\n`),
    "extern const struct wm_page_template wm_page_template;",
    "const struct wm_page_template wm_page_template = {",
    ...names.map((name) => `    .${name} = ${name}, .${name}_bytes = sizeof(${name}) - 1,`), "};\n",
].join("\n"));
