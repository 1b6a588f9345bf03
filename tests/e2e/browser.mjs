// Chromium, the pages served to it, and a log of what its pages asked the homeserver and were refused.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };
// Time is not what is tested: a busy machine that starts Chromium for the first time needs much of it.
const PATIENCE_MS = 90_000;

/** What a client asks for without knowing whether it is there: method, path, status. Nothing else may fail. */
const EXPECTED = [
    ["GET", /^\/_matrix\/client\/(r0|v3)\/user\/[^/]+\/account_data\/[^/]+$/, 404],
    ["GET", /^\/_matrix\/client\/(r0|v3)\/room_keys\/version$/, 404],
    ["GET", /^\/\.well-known\/matrix\/client$/, 404],
    // Hydrogen looks for a dehydrated device the way of a proposal that was closed for MSC3814.
    ["GET", /^\/_matrix\/client\/unstable\/org\.matrix\.msc2697\.v2\/dehydrated_device$/, 404],
    // matrix-js-sdk looks for a place to make calls (MSC4143).
    ["GET", /^\/_matrix\/client\/unstable\/org\.matrix\.msc4143\/rtc\/transports$/, 404],
];

/** Hydrogen 0.3.1 opens a room named "true" after it has made one. */
const KNOWN_EXCEPTION = /getKey\(true\) failed on \S+\.archivedRoomSummary/;

/** Serve the files of a folder on this machine; the URL, and a way to end it. */
export async function serveFolder(folder) {
    const server = createServer(async (request, response) => {
        const path = normalize(new URL(request.url, "http://pages").pathname);
        try {
            const content = await readFile(join(folder, path));
            response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" });
            response.end(content);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** Browser sessions: each has storage of its own, as if on another machine. */
export class Sessions {
    #browser;
    #artefacts;
    #pages = new Map();

    /** Everything that went wrong in any page: refused requests, lost connections, exceptions. */
    failures = [];
    /** How many requests the homeserver answered. */
    answered = 0;

    constructor(browser, artefacts) {
        this.#browser = browser;
        this.#artefacts = artefacts;
    }

    static async open(program, artefacts) {
        // A container's root has no user namespaces to put the browser's processes into, and a small /dev/shm.
        const args = ["--no-sandbox", "--disable-dev-shm-usage"];
        return new Sessions(await chromium.launch({ executablePath: program, args, timeout: 2 * PATIENCE_MS }), artefacts);
    }

    /** A page in a session of its own; what it asks of `homeserver` is watched. */
    async page(name, url, homeserver) {
        const context = await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB" });
        const page = await context.newPage();
        page.setDefaultTimeout(PATIENCE_MS);
        this.#pages.set(name, page);
        page.on("pageerror", (error) => {
            if (KNOWN_EXCEPTION.test(error.message)) return;
            this.failures.push(`${name}: exception in the page: ${error.stack}`);
        });
        page.on("console", (line) => console.log(`${name}: ${line.type()}: ${line.text()}`));
        page.on("response", (response) => this.#answer(name, homeserver, response));
        page.on("requestfailed", (request) => {
            // Closing a page, and a client that stops its sync, end requests under way.
            if (request.failure()?.errorText === "net::ERR_ABORTED") return;
            this.failures.push(`${name}: ${request.method()} ${request.url()}: ${request.failure()?.errorText}`);
        });
        await page.goto(url);
        return page;
    }

    #answer(name, homeserver, response) {
        const url = new URL(response.url());
        const method = response.request().method();
        const line = `${name}: ${response.status()} ${method} ${url.pathname}${url.search}`;
        if (url.origin === homeserver) {
            this.answered += 1;
            console.log(line);
        }
        const isExpected = EXPECTED.some(
            ([of, path, status]) => of === method && path.test(url.pathname) && status === response.status(),
        );
        if (response.status() >= 400 && !isExpected) this.failures.push(line);
    }

    /** A picture of every page; their paths. */
    async screenshots(prefix) {
        const paths = [];
        for (const [name, page] of this.#pages) {
            const path = join(this.#artefacts, `${prefix}${name}.png`);
            await page.screenshot({ path });
            paths.push(path);
        }
        return paths;
    }

    async close() {
        await this.#browser.close();
    }
}
