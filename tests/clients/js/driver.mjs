// matrix-js-sdk, driven by lines of JSON: {id, act, args} comes in, {id, result} or {id, error} goes out.
// One process is one person. Nothing of the SDK is replaced.

import { createInterface } from "node:readline";

// Standard output is ours; what the SDK logs goes to standard error.
for (const level of ["log", "info", "debug", "warn", "trace"]) console[level] = console.error;
const sdk = await import("matrix-js-sdk");
const { ClientEvent, EventTimeline, HTTPError, MatrixError, RoomEvent, RoomStateEvent } = sdk;

const WAIT_MS = 30_000;
const PAGE = 7;
const [, , baseUrl] = process.argv;

let client = sdk.createClient({ baseUrl });

const acts = {
    /** Register as an application does: ask, be told the stages, answer. */
    async register({ user, password }) {
        const wanted = { username: user, password, initial_device_display_name: "the first" };
        let answer;
        try {
            answer = await client.registerRequest(wanted);
        } catch (error) {
            if (!(error instanceof MatrixError) || error.httpStatus !== 401) throw error;
            const dummy = error.data.flows.some(({ stages }) => stages.length === 1 && stages[0] === "m.login.dummy");
            if (!dummy) throw new Error(`no flow with only m.login.dummy: ${JSON.stringify(error.data)}`);
            const auth = { type: "m.login.dummy", session: error.data.session };
            answer = await client.registerRequest({ ...wanted, auth });
        }
        become(answer);
        return answer.user_id;
    },

    async logIn({ user, password }) {
        client.stopClient();
        client = sdk.createClient({ baseUrl });
        const { flows } = await client.loginFlows();
        if (!flows.some(({ type }) => type === "m.login.password")) throw new Error("no login with a password");
        const answer = await client.loginRequest({
            type: "m.login.password",
            identifier: { type: "m.id.user", user },
            password,
            initial_device_display_name: "the second",
        });
        become(answer);
        return answer.user_id;
    },

    async start() {
        const prepared = new Promise((resolve, reject) => {
            client.on(ClientEvent.Sync, (state, _previous, data) => {
                if (state === "PREPARED") resolve();
                if (state === "ERROR") reject(data?.error ?? new Error("the sync failed"));
            });
        });
        await client.startClient({ initialSyncLimit: 5, pollTimeout: 10_000, lazyLoadMembers: true });
        await within(prepared, "the first sync");
    },

    async createRoom({ name }) {
        const { room_id: roomId } = await client.createRoom({ name, preset: "private_chat" });
        await until(() => client.getRoom(roomId)?.getMyMembership() === "join", "the new room");
        return roomId;
    },

    async invite({ roomId, userId }) {
        await client.invite(roomId, userId);
    },

    async waitForInvite({ roomId }) {
        await until(() => client.getRoom(roomId)?.getMyMembership() === "invite", "the invitation");
        return client.getRoom(roomId).getMember(client.getUserId()).events.member.getSender();
    },

    async join({ roomId }) {
        await client.joinRoom(roomId);
        await until(() => client.getRoom(roomId)?.getMyMembership() === "join", "the room after joining");
    },

    async roomName({ roomId }) {
        const state = client.getRoom(roomId).getLiveTimeline().getState(EventTimeline.FORWARDS);
        return state.getStateEvents("m.room.name", "")?.getContent().name ?? null;
    },

    async waitForMembership({ roomId, userId, membership }) {
        await until(() => client.getRoom(roomId)?.getMember(userId)?.membership === membership, `${membership} of ${userId}`);
    },

    async send({ roomId, body }) {
        const { event_id: eventId } = await client.sendTextMessage(roomId, body);
        return eventId;
    },

    async waitForMessage({ roomId, body }) {
        const find = () => texts(roomId).find((event) => event.getContent().body === body && event.status === null);
        await until(find, `the message ${body}`);
        return [find().getSender(), find().getId()];
    },

    /** Page back until the server says that there is no more. */
    async bodies({ roomId }) {
        const room = client.getRoom(roomId);
        const timeline = room.getLiveTimeline();
        while (timeline.getPaginationToken(EventTimeline.BACKWARDS) !== null) await client.scrollback(room, PAGE);
        return texts(roomId).map((event) => event.getContent().body);
    },

    async redact({ roomId, eventId, reason }) {
        await client.redactEvent(roomId, eventId, undefined, { reason });
    },

    async waitForRedaction({ roomId, eventId }) {
        await until(() => client.getRoom(roomId)?.findEventById(eventId)?.isRedacted(), `the redaction of ${eventId}`);
    },

    async leave({ roomId }) {
        await client.leave(roomId);
    },

    async logOut() {
        await client.logout(true);
    },

    /** The errcode with which the server refuses the token it has ended. */
    async errorAfterLogout() {
        try {
            await client.whoami();
        } catch (error) {
            if (error instanceof HTTPError && error.errcode) return error.errcode;
            throw error;
        }
        throw new Error("the token still works");
    },
};

function become({ user_id: userId, access_token: accessToken, device_id: deviceId }) {
    client = sdk.createClient({ baseUrl, userId, accessToken, deviceId });
    client.setMaxListeners(100);
}

function texts(roomId) {
    const events = client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? [];
    return events.filter((event) => event.getType() === "m.room.message" && !event.isRedacted());
}

function within(promise, what) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`waited too long for ${what}`)), WAIT_MS);
        promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
}

/** Wait until something is so, looking whenever the SDK tells its application that something has changed. */
function until(isSo, what) {
    const names = [
        ClientEvent.Sync,
        ClientEvent.Room,
        RoomEvent.Timeline,
        RoomEvent.MyMembership,
        RoomEvent.Redaction,
        RoomEvent.LocalEchoUpdated,
        RoomStateEvent.Members,
    ];
    let look;
    const happened = new Promise((resolve, reject) => {
        look = () => {
            try {
                if (isSo()) resolve();
            } catch (error) {
                reject(error);
            }
        };
        for (const name of names) client.on(name, look);
        look();
    });
    const listened = client;
    return within(happened, what).finally(() => {
        for (const name of names) listened.off(name, look);
    });
}

const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => {
    const { id, act, args } = JSON.parse(line);
    let answer;
    try {
        answer = { id, result: (await acts[act](args)) ?? null };
    } catch (error) {
        answer = { id, error: String(error?.stack ?? error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
});
lines.on("close", () => process.exit(0));
