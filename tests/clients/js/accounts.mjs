// The life of accounts with matrix-js-sdk, of which nothing is replaced: registration with terms, in the client and on the
// fallback page, tokens that are refreshed, a second device by a login token, guests, another password, an end. Ends with
// status 0 if everything went as it should.

import assert from "node:assert/strict";

for (const level of ["log", "info", "debug", "warn", "trace"]) console[level] = console.error;
const sdk = await import("matrix-js-sdk");
const { AuthType, EventType, GuestAccess, InteractiveAuth } = sdk;

const WAIT_MS = 20_000;
const [, , baseUrl, suffix] = process.argv;
const PASSWORD = "correct horse";
const stranger = sdk.createClient({ baseUrl });

function act(text) {
    process.stdout.write(`--- ${text}\n`);
}

async function until(isSo, what) {
    const end = Date.now() + WAIT_MS;
    while (!(await isSo())) {
        if (Date.now() > end) throw new Error(`waited too long for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

/** Do what needs user-interactive authentication, as the SDK leads through it; `complete` does a stage. */
async function interactively(client, request, complete) {
    const stages = [];
    const authentication = new InteractiveAuth({
        matrixClient: client,
        doRequest: request,
        stateUpdated: (stage, status) => {
            if (stages.includes(stage)) throw new Error(`${stage} once more: ${JSON.stringify(status)}`);
            stages.push(stage);
            Promise.resolve(complete(stage, authentication)).catch((error) => console.error(error));
        },
        requestEmailToken: () => assert.fail("nobody asked for mail"),
    });
    return { answer: await authentication.attemptAuth(), stages };
}

function byPassword(client, password = PASSWORD) {
    return (stage, authentication) => {
        assert.equal(stage, AuthType.Password);
        const identifier = { type: "m.id.user", user: client.getUserId() };
        return authentication.submitAuthDict({ type: stage, identifier, password });
    };
}

function registration(username, more = {}) {
    return (auth) => stranger.registerRequest({ username, password: PASSWORD, auth: auth ?? undefined, ...more });
}

function acceptTerms(stage, authentication) {
    assert.equal(stage, "m.login.terms");
    const [policy] = Object.values(authentication.getStageParams(stage).policies);
    assert.equal(policy.en.name, "House rules");
    return authentication.submitAuthDict({ type: stage });
}

async function refused(promise, errcode) {
    await assert.rejects(promise, (error) => (assert.equal(error.errcode, errcode), true));
}

act("alice registers, and accepts the terms in her client");
const aliceName = `alice-${suffix}`;
assert.equal(await stranger.isUsernameAvailable(aliceName), true);
const registered = await interactively(stranger, registration(aliceName, { refresh_token: true }), acceptTerms);
assert.deepEqual(registered.stages, ["m.login.terms"]);
assert.equal(await stranger.isUsernameAvailable(aliceName), false);
const session = registered.answer;

act("her access token expires, and is refreshed; then she logs in for good");
const brief = sdk.createClient({ baseUrl, userId: session.user_id, accessToken: session.access_token });
await new Promise((resolve) => setTimeout(resolve, session.expires_in_ms + 100));
await assert.rejects(brief.whoami(), (error) => error.errcode === "M_UNKNOWN_TOKEN" && error.data.soft_logout === true);
const fresh = await stranger.refreshToken(session.refresh_token);
brief.setAccessToken(fresh.access_token);
assert.deepEqual(await brief.whoami(), { user_id: session.user_id, device_id: session.device_id, is_guest: false });
const login = await stranger.loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: aliceName },
    password: PASSWORD,
    device_id: session.device_id,
});
assert.equal(login.device_id, session.device_id);
await refused(brief.whoami(), "M_UNKNOWN_TOKEN");
const alice = sdk.createClient({
    baseUrl,
    userId: login.user_id,
    accessToken: login.access_token,
    deviceId: login.device_id,
});

act("bob registers, and accepts the terms on the page that his client opens");
const bobName = `bob-${suffix}`;
const { answer: bobSession } = await interactively(stranger, registration(bobName), async (stage, authentication) => {
    const page = new URL(stranger.getFallbackAuthUrl(stage, authentication.getSessionId()));
    const form = await (await fetch(page)).text();
    assert.match(form, /House rules/);
    const sent = new URLSearchParams({ session: /name="session" value="([^"]+)"/.exec(form)[1] });
    const done = await (await fetch(page, { method: "POST", body: sent })).text();
    assert.match(done, /window\.onAuthDone\(\)/);
    await authentication.submitAuthDict({});
});
const bob = sdk.createClient({
    baseUrl,
    userId: bobSession.user_id,
    accessToken: bobSession.access_token,
    deviceId: bobSession.device_id,
});

act("what they may");
const capabilities = await alice.fetchCapabilities();
assert.deepEqual(capabilities["m.change_password"], { enabled: true });
assert.deepEqual(capabilities["m.get_login_token"], { enabled: true });
assert.deepEqual(capabilities["m.3pid_changes"], { enabled: false });
assert.deepEqual(await alice.getThreePids(), { threepids: [] });

act("a second device of bob's is let in by the first");
const { answer: given } = await interactively(bob, (auth) => bob.requestLoginToken(auth ?? undefined), byPassword(bob));
assert.ok(given.expires_in_ms > 0);
const second = await stranger.loginWithToken(given.login_token);
assert.equal(second.user_id, bob.getUserId());
await refused(stranger.loginWithToken(given.login_token), "M_FORBIDDEN");
await bob.setDeviceDetails(second.device_id, { display_name: "Tablet" });
const named = (await bob.getDevices()).devices.find((device) => device.device_id === second.device_id);
assert.equal(named.display_name, "Tablet");

act("a guest looks in, and has to go when the room closes");
const { room_id: roomId } = await alice.createRoom({ preset: "public_chat" });
await alice.setGuestAccess(roomId, { allowJoin: true, allowRead: false });
const visit = await stranger.registerGuest({});
const guest = sdk.createClient({
    baseUrl,
    userId: visit.user_id,
    accessToken: visit.access_token,
    deviceId: visit.device_id,
});
guest.setGuest(true);
await guest.joinRoom(roomId);
await guest.sendTextMessage(roomId, "good day");
await refused(guest.createRoom({}), "M_GUEST_ACCESS_FORBIDDEN");
await alice.sendStateEvent(roomId, EventType.RoomGuestAccess, { guest_access: GuestAccess.Forbidden });
await until(async () => {
    const member = await alice.getStateEvent(roomId, EventType.RoomMember, visit.user_id);
    return member.membership === "leave";
}, "the guest to go");

act("another guest stays, and becomes a user");
const stay = await stranger.registerGuest({});
const name = stay.user_id.slice(1).split(":")[0];
const became = await interactively(stranger, registration(name, { guest_access_token: stay.access_token }), acceptTerms);
assert.equal(became.answer.user_id, stay.user_id);
const newcomer = sdk.createClient({ baseUrl, userId: stay.user_id, accessToken: became.answer.access_token });
assert.equal((await newcomer.whoami()).is_guest, false);

act("bob removes a device, changes his password, and leaves for good");
await interactively(bob, (auth) => bob.deleteMultipleDevices([second.device_id], auth ?? undefined), byPassword(bob));
const removed = sdk.createClient({ baseUrl, userId: second.user_id, accessToken: second.access_token });
await refused(removed.whoami(), "M_UNKNOWN_TOKEN");
await interactively(bob, (auth) => bob.setPassword(auth ?? undefined, "battery staple", false), byPassword(bob));
await refused(
    stranger.loginRequest({
        type: "m.login.password",
        identifier: { type: "m.id.user", user: bobName },
        password: PASSWORD,
    }),
    "M_FORBIDDEN",
);
await bob.joinRoom(roomId);
const ended = await interactively(
    bob,
    (auth) => bob.deactivateAccount(auth ?? undefined, true),
    byPassword(bob, "battery staple"),
);
assert.deepEqual(ended.answer, { id_server_unbind_result: "success" });
await refused(bob.whoami(), "M_UNKNOWN_TOKEN");
const gone = await alice.getStateEvent(roomId, EventType.RoomMember, bob.getUserId());
assert.equal(gone.membership, "leave");

act("alice logs out");
await alice.logout(true);
await refused(
    sdk.createClient({ baseUrl, userId: session.user_id, accessToken: alice.getAccessToken() }).whoami(),
    "M_UNKNOWN_TOKEN",
);
process.exit(0);
