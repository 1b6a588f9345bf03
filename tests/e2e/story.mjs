// Two people, three browser sessions, one room: node story.mjs HOMESERVER PAGES ARTEFACTS CHROMIUM ALICE BOB PASSWORD
//
// Alice and Bob use Hydrogen. Hydrogen can neither edit nor open threads, so Alice does that in a page with matrix-js-sdk,
// which is a second session of hers, and which checks what the first one did.

import assert from "node:assert/strict";
import { Sessions, serveFolder } from "./browser.mjs";
import { Hydrogen } from "./hydrogen.mjs";

const [homeserver, pages, artefacts, chromium, alice, bob, password] = process.argv.slice(2);
const ROOM = "The node between";

const step = (text) => console.log(`--- ${text}`);
const call = (page, act, ...args) => page.evaluate(([name, given]) => window.person[name](...given), [act, args]);

async function story(sessions, url) {
    const hydrogen = `${url}/hydrogen.html?homeserver=${encodeURIComponent(homeserver)}`;
    const first = new Hydrogen(await sessions.page("alice", hydrogen, homeserver));
    const other = new Hydrogen(await sessions.page("bob", hydrogen, homeserver));
    const second = await sessions.page("alice-sdk", `${url}/sdk.html`, homeserver);

    step("log in");
    await first.logIn(alice, password);
    await other.logIn(bob, password);
    const userId = await call(second, "logIn", homeserver, alice, password);

    step("create a room, and join it");
    const alias = `#${alice}-and-${bob}:${userId.slice(userId.indexOf(":") + 1)}`;
    await first.createRoom(ROOM, alias);
    const roomId = first.roomId();
    await other.joinRoom(alias, ROOM);
    assert.equal(other.roomId(), roomId);

    step("send");
    await first.send("Hello from Alice");
    const eventId = await (await first.message("Hello from Alice")).getAttribute("data-event-id");
    assert.equal(await (await other.message("Hello from Alice")).getAttribute("data-event-id"), eventId);
    assert.equal(await call(second, "message", roomId, "Hello from Alice"), eventId);
    await other.send("Grüße von Bob 🦊");
    await first.message("Grüße von Bob 🦊");

    step("react");
    await other.react("Hello from Alice", "🎉");
    await first.seesReaction("Hello from Alice", "🎉", 1);
    await first.react("Hello from Alice", "🎉");
    await other.seesReaction("Hello from Alice", "🎉", 2);
    assert.match(await call(second, "reaction", roomId, eventId, "🎉"), new RegExp(`^@(${alice}|${bob}):`));

    step("reply");
    await other.reply("Hello from Alice", "An answer to that");
    await first.message("An answer to that");

    step("edit");
    await call(second, "edit", roomId, eventId, "Hello again from Alice");
    await call(second, "reads", roomId, eventId, "Hello again from Alice");
    await other.message("Hello again from Alice");

    step("reply in a thread");
    await call(second, "replyInThread", roomId, eventId, "Below the first line");
    await call(second, "thread", roomId, eventId, "Below the first line", 1);
    await other.message("Below the first line");
    await first.message("Below the first line");

    step("a session that begins now sees the same");
    const late = await sessions.page("bob-sdk", `${url}/sdk.html`, homeserver);
    await call(late, "logIn", homeserver, bob, password);
    await call(late, "reads", roomId, eventId, "Hello again from Alice");
    await call(late, "thread", roomId, eventId, "Below the first line", 1);
    await call(late, "reaction", roomId, eventId, "🎉");

    step("come back to the page");
    await first.page.reload();
    await first.message("Below the first line");
    await first.seesReaction("Hello from Alice", "🎉", 2);
}

const server = await serveFolder(pages);
const sessions = await Sessions.open(chromium, artefacts);
try {
    await story(sessions, server.url);
    for (const path of await sessions.screenshots("")) console.log(`screenshot: ${path}`);
    assert.ok(sessions.answered > 50, `only ${sessions.answered} requests were seen: the log of requests is broken`);
} catch (error) {
    sessions.failures.push(error.stack);
    for (const path of await sessions.screenshots("failed-")) console.log(`screenshot: ${path}`);
} finally {
    await sessions.close();
    server.close();
}
for (const failure of sessions.failures) console.log(`FAILED ${failure}`);
process.exitCode = sessions.failures.length === 0 ? 0 : 1;
