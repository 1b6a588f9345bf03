// A policy to agree to, with matrix-js-sdk, of which nothing is replaced: the notice that asks, what is refused before, the
// page as a browser fills it in. Ends with status 0 if everything went as it should.

import assert from "node:assert/strict";

for (const level of ["log", "info", "debug", "warn", "trace"]) console[level] = console.error;
const sdk = await import("matrix-js-sdk");

const WAIT_MS = 20_000;
const [, , baseUrl] = process.argv;

async function until(found, what) {
    const end = Date.now() + WAIT_MS;
    for (;;) {
        const value = await found();
        if (value) return value;
        if (Date.now() > end) throw new Error(`waited too long for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

const refusedWith = (errcode) => (error) => {
    assert.equal(error.errcode, errcode);
    return true;
};

const registered = await sdk
    .createClient({ baseUrl })
    .registerRequest({ username: "alice", password: "wonderland", auth: { type: "m.login.dummy" } });
const alice = sdk.createClient({
    baseUrl,
    userId: registered.user_id,
    deviceId: registered.device_id,
    accessToken: registered.access_token,
});
let uri = null;
alice.on(sdk.HttpApiEvent.NoConsent, (text, told) => {
    assert.match(text, /Please agree first/);
    uri = told;
});
await alice.startClient();

// The client is asked, in a room that it can tell from others when its user is in it, and that cannot be turned away.
const room = await until(() => alice.getRooms().find((one) => one.getMyMembership() === "invite"), "the invitation");
assert.equal(room.name, "Server Notices");
await assert.rejects(alice.leave(room.roomId), refusedWith("M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"));

// Nothing is said before, and the client is told where to agree.
await assert.rejects(alice.createRoom({}), refusedWith("M_CONSENT_NOT_GIVEN"));
assert.ok(uri.startsWith(`${baseUrl}/_matrix/consent?`), uri);
await alice.joinRoom(room.roomId);
const texts = () => room.getLiveTimeline().getEvents().map((event) => event.getContent().body ?? "");
await until(() => texts().includes(`Agree: ${uri}`), "the notice");
await until(() => room.tags["m.server_notice"], "the tag");

// What a browser does.
const page = await (await fetch(uri)).text();
const form = Object.fromEntries(["v", "u", "h"].map((name) => [name, page.match(`name="${name}" value="([^"]*)"`)[1]]));
const address = new URL(page.match('action="([^"]*)"')[1], uri);
const agreed = await fetch(address, { method: "POST", body: new URLSearchParams(form) });
assert.equal(agreed.status, 200);
assert.match(await agreed.text(), /Thank you/);

await alice.createRoom({});
await assert.rejects(alice.sendTextMessage(room.roomId, "Hello?"), refusedWith("M_FORBIDDEN"));
await alice.leave(room.roomId);
alice.stopClient();
process.exit(0);
