// Two people with matrix-js-sdk and its Rust crypto, and a third one, Carol, with another client: they encrypt, verify each
// other, and one of them restores from the backup with a third device. Nothing of the SDK is replaced. Ends with status 0
// if everything went as it should. Carol's part, with the same texts, is the program's that started this one.

import assert from "node:assert/strict";

for (const level of ["log", "info", "debug", "warn", "trace"]) console[level] = console.error;
const sdk = await import("matrix-js-sdk");
const { CryptoEvent, VerificationPhase, VerifierEvent } = await import("matrix-js-sdk/lib/crypto-api/index.js");
const { ClientEvent, EventType, Method } = sdk;

const WAIT_MS = 40_000;
const [, , urls, suffix, carolId, carolDeviceId, carolKey] = process.argv;
// Of Alice's server and of Bob's, which may be the same.
const [aliceUrl, bobUrl] = urls.split(",");
const PASSWORD = "correct horse";

/** A device of a user, with its crypto running. `secrets` holds the secret storage key where the user knows it. */
async function open(baseUrl, { user_id: userId, access_token: accessToken, device_id: deviceId }, secrets) {
    const client = sdk.createClient({
        baseUrl,
        userId,
        accessToken,
        deviceId,
        verificationMethods: ["m.sas.v1"],
        cryptoCallbacks: {
            getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0], secrets.key],
            cacheSecretStorageKey: (_id, _info, key) => (secrets.key = key),
        },
    });
    client.setMaxListeners(100);
    await client.initRustCrypto({ useIndexedDB: false });
    const prepared = new Promise((resolve, reject) => {
        client.on(ClientEvent.Sync, (state, _previous, data) => {
            if (state === "PREPARED") resolve();
            if (state === "ERROR") reject(data?.error ?? new Error("the sync failed"));
        });
    });
    await client.startClient({ pollTimeout: 5_000, initialSyncLimit: 100 });
    await within(prepared, "the first sync");
    return client;
}

function within(promise, what) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`waited too long for ${what}`)), WAIT_MS);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function until(isSo, what) {
    const end = Date.now() + WAIT_MS;
    for (;;) {
        const result = await isSo();
        if (result) return result;
        if (Date.now() > end) throw new Error(`waited too long for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

/** Make an account's cryptographic identity, its secret storage and its backup. */
async function bootstrap(client, secrets) {
    const crypto = client.getCrypto();
    await crypto.bootstrapCrossSigning({
        authUploadDeviceSigningKeys: async (makeRequest) => void (await makeRequest(null)),
    });
    await crypto.bootstrapSecretStorage({
        createSecretStorageKey: async () => {
            const key = await crypto.createRecoveryKeyFromPassphrase();
            secrets.key = key.privateKey;
            return key;
        },
        setupNewSecretStorage: true,
        setupNewKeyBackup: true,
    });
    assert(await crypto.isCrossSigningReady(), "cross-signing is set up");
    await until(() => crypto.getActiveSessionBackupVersion(), "the backup");
}

async function waitForText(client, roomId, body) {
    return until(async () => {
        const events = client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? [];
        for (const event of events) {
            if (event.isDecryptionFailure()) await client.decryptEventIfNeeded(event);
            if (event.getType() === EventType.RoomMessage && event.getContent().body === body && event.status === null) {
                assert(event.isEncrypted(), `${body} was encrypted`);
                return event;
            }
        }
        return null;
    }, `the message ${body} at ${client.getUserId()} ${client.getDeviceId()}`);
}

/** Both sides of a verification with emoji; the one who is asked sees the request and accepts it. */
async function verify(asking, asked, request) {
    const received = new Promise((resolve) => asked.once(CryptoEvent.VerificationRequestReceived, resolve));
    const mine = await request();
    const theirs = await within(received, "the verification request");
    await theirs.accept();
    await until(() => mine.phase === VerificationPhase.Ready, "the acceptance");
    const first = await mine.startVerification("m.sas.v1");
    const confirm = (verifier) => {
        verifier.on(VerifierEvent.ShowSas, (sas) => sas.confirm());
        return verifier.verify();
    };
    const done = confirm(first);
    const second = await until(() => theirs.verifier, "the start of the verification");
    await within(Promise.all([done, confirm(second)]), "the verification");
}

const register = async (baseUrl, name) => {
    const user = `${name}-${suffix}`;
    const answer = await sdk.createClient({ baseUrl }).registerRequest({
        username: user,
        password: PASSWORD,
        auth: { type: "m.login.dummy" },
    });
    return answer;
};

const logIn = (baseUrl, userId) =>
    sdk.createClient({ baseUrl }).loginRequest({
        type: "m.login.password",
        identifier: { type: "m.id.user", user: userId },
        password: PASSWORD,
    });

const aliceSecrets = {};
const bobSecrets = {};
const alice = await open(aliceUrl, await register(aliceUrl, "alice"), aliceSecrets);
const bob = await open(bobUrl, await register(bobUrl, "bob"), bobSecrets);
await bootstrap(alice, aliceSecrets);
await bootstrap(bob, bobSecrets);
console.error("--- identities are there");

const { room_id: roomId } = await alice.createRoom({
    preset: "private_chat",
    invite: [bob.getUserId(), carolId],
    initial_state: [{ type: EventType.RoomEncryption, state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }],
});
await until(() => bob.getRoom(roomId)?.getMyMembership() === "invite", "the invitation");
await bob.joinRoom(roomId);
await until(() => alice.getRoom(roomId)?.getMember(bob.getUserId())?.membership === "join", "Bob in the room");
for (const client of [alice, bob]) {
    await until(() => client.getRoom(roomId)?.getMember(carolId)?.membership === "join", "Carol in the room");
}
await until(() => alice.getCrypto().isEncryptionEnabledInRoom(roomId), "encryption");
await until(() => bob.getCrypto().isEncryptionEnabledInRoom(roomId), "encryption");
for (const [from, to, count] of [[alice, bob, 3], [bob, alice, 3]]) {
    for (let number = 0; number < count; number++) {
        const body = `${from.getUserId()} says ${number}`;
        await from.sendTextMessage(roomId, body);
        await waitForText(to, roomId, body);
    }
}
for (const client of [alice, bob]) await waitForText(client, roomId, "carol says hello");
console.error("--- they understand each other");

await verify(alice, bob, () => alice.getCrypto().requestVerificationDM(bob.getUserId(), roomId));
await until(async () => (await alice.getCrypto().getUserVerificationStatus(bob.getUserId())).isCrossSigningVerified(), "Bob verified");
await until(async () => (await bob.getCrypto().getUserVerificationStatus(alice.getUserId())).isCrossSigningVerified(), "Alice verified");
for (const client of [alice, bob]) {
    const devices = await client.getCrypto().getUserDeviceInfo([carolId], true);
    assert.equal(devices.get(carolId).get(carolDeviceId).getFingerprint(), carolKey);
    await client.getCrypto().setDeviceVerified(carolId, carolDeviceId);
    assert((await client.getCrypto().getDeviceVerificationStatus(carolId, carolDeviceId)).localVerified);
}
console.error("--- they have verified each other");

await alice.secretStorage.store("org.example.secret", "a secret");
const stored = await alice.http.authedRequest(Method.Get, `/user/${encodeURIComponent(alice.getUserId())}/account_data/org.example.secret`);
assert(!JSON.stringify(stored).includes("a secret"), "the secret is stored encrypted");

await until(async () => {
    const described = await alice.http.authedRequest(Method.Get, "/room_keys/version");
    return described.count >= 3;
}, "the keys in the backup");
const third = await open(aliceUrl, await logIn(aliceUrl, alice.getUserId()), aliceSecrets);
const thirdCrypto = third.getCrypto();
await until(() => thirdCrypto.userHasCrossSigningKeys(alice.getUserId(), true), "Alice's identity on her third device");
await thirdCrypto.bootstrapCrossSigning({});
await thirdCrypto.loadSessionBackupPrivateKeyFromSecretStorage();
const restored = await thirdCrypto.restoreKeyBackup();
assert(restored.imported >= 3, `restored ${JSON.stringify(restored)}`);
for (const person of [alice, bob]) await waitForText(third, roomId, `${person.getUserId()} says 1`);
await waitForText(third, roomId, "carol says hello");
assert.equal(await third.secretStorage.get("org.example.secret"), "a secret");
await until(async () => {  // It hears of its own signature by a query that follows a sync.
    const status = await thirdCrypto.getDeviceVerificationStatus(alice.getUserId(), third.getDeviceId());
    return status.signedByOwner;
}, "the third device is signed");
console.error("--- the third device reads history");

await until(async () => {
    const devices = await bob.getCrypto().getUserDeviceInfo([alice.getUserId()]);
    return devices.get(alice.getUserId())?.has(third.getDeviceId());
}, "the third device at Bob's");
for (const [from, body] of [[bob, "to three"], [third, "from the third"]]) {
    await from.sendTextMessage(roomId, body);
    for (const client of [alice, bob, third]) await waitForText(client, roomId, body);
}
await waitForText(third, roomId, "carol to three");
console.error("--- the third device takes part");

const thirdId = third.getDeviceId();
await third.logout(true);
await until(async () => {
    const devices = await bob.getCrypto().getUserDeviceInfo([alice.getUserId()]);
    return !devices.get(alice.getUserId())?.has(thirdId);
}, "Bob to forget the third device");
const sessionOf = (event) => event.getWireContent().session_id;
await bob.sendTextMessage(roomId, "without the third");
const before = await waitForText(alice, roomId, "without the third");
await bob.getCrypto().forceDiscardSession(roomId);
await bob.sendTextMessage(roomId, "after the rotation");
const after = await waitForText(alice, roomId, "after the rotation");
assert.notEqual(sessionOf(before), sessionOf(after), "the session was rotated");
console.error("--- the keys are new");

await until(() => bob.getRoom(roomId)?.getMember(carolId)?.membership === "leave", "Carol to leave");
await until(() => !bob.getRoom(roomId).getJoinedMembers().some((member) => member.userId === carolId), "Carol gone");
await bob.sendTextMessage(roomId, "without carol");
assert.notEqual(sessionOf(await waitForText(alice, roomId, "without carol")), sessionOf(after), "rotated for who left");
for (const client of [alice, bob]) {
    const events = client.getRoom(roomId).getLiveTimeline().getEvents();
    assert(events.filter((event) => event.isEncrypted()).length >= 12);
    assert(!events.some((event) => event.isDecryptionFailure()), "every message decrypts");
}
await bob.logout(true);
await alice.logout(true);
console.error("--- done");
process.exit(0);
