// Bundle the pages into a folder: node build.mjs FOLDER

import { cp, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
const packages = join(here, "node_modules");

await mkdir(out, { recursive: true });
await build({
    entryPoints: [join(here, "pages", "hydrogen.js"), join(here, "pages", "sdk.js")],
    outdir: out,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    define: { global: "globalThis" },
    // Of a library for Node too: its ways there are not taken in a browser.
    external: ["fs", "path", "crypto"],
    logLevel: "error",
});
for (const page of ["hydrogen.html", "sdk.html"]) await cp(join(here, "pages", page), join(out, page));
await cp(join(packages, "hydrogen-view-sdk", "asset-build", "assets"), join(out, "theme"), { recursive: true });
await cp(join(packages, "hydrogen-view-sdk", "lib-build", "sw.js"), join(out, "sw.js"));
await cp(join(packages, "@matrix-org", "olm"), join(out, "olm"), { recursive: true });
