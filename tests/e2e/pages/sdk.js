// matrix-js-sdk in a page: what Hydrogen has no button for, editing and threads. The story calls `window.person`.

import {
    createClient,
    EventStatus,
    MatrixEventEvent,
    Method,
    PendingEventOrdering,
    RelationType,
    RoomEvent,
    SyncState,
    ThreadEvent,
} from "matrix-js-sdk";

const PATIENCE_MS = 20_000;

let client;

/** The first value that `look` finds, now or after one of these `events` of the client. */
function seen(what, events, look) {
    return new Promise((resolve, reject) => {
        const finish = () => {
            clearTimeout(timer);
            for (const event of events) client.off(event, again);
        };
        const again = () => {
            const found = look();
            if (found) {
                finish();
                resolve(found);
            }
        };
        const timer = setTimeout(() => {
            finish();
            reject(new Error(`not seen: ${what}`));
        }, PATIENCE_MS);
        for (const event of events) client.on(event, again);
        again();
    });
}

const messages = (roomId) => client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? [];

window.person = {
    async logIn(baseUrl, user, password) {
        const stranger = createClient({ baseUrl });
        const login = { type: "m.login.password", identifier: { type: "m.id.user", user }, password };
        const made = await stranger.loginRequest(login);
        client = createClient({
            baseUrl,
            accessToken: made.access_token,
            userId: made.user_id,
            deviceId: made.device_id,
            timelineSupport: true,
        });
        const pendingEventOrdering = PendingEventOrdering.Detached;
        await client.startClient({ threadSupport: true, initialSyncLimit: 20, pendingEventOrdering });
        await seen("the first sync", ["sync"], () => client.getSyncState() === SyncState.Syncing);
        return made.user_id;
    },

    /** Wait for a text of the room; its event ID. */
    async message(roomId, body) {
        const look = () => messages(roomId).find((event) => event.getContent().body === body && !event.status);
        return (await seen(body, [RoomEvent.Timeline, RoomEvent.LocalEchoUpdated], look)).getId();
    },

    async edit(roomId, eventId, body) {
        const sent = await client.sendMessage(roomId, {
            msgtype: "m.text",
            body: `* ${body}`,
            "m.new_content": { msgtype: "m.text", body },
            "m.relates_to": { rel_type: RelationType.Replace, event_id: eventId },
        });
        return sent.event_id;
    },

    /** Wait until an event reads like this. */
    async reads(roomId, eventId, body) {
        const look = () => messages(roomId).find((event) => event.getId() === eventId)?.getContent().body === body;
        await seen(`the edit "${body}"`, [RoomEvent.Timeline, MatrixEventEvent.Replaced], look);
    },

    /**
     * Without a local echo: matrix-js-sdk 43 loses the first reply of a thread if the sync brings it before the sender's
     * answer comes, which is a matter of chance with any server.
     */
    async replyInThread(roomId, rootId, body) {
        const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${client.makeTxnId()}`;
        const relation = { rel_type: RelationType.Thread, event_id: rootId, is_falling_back: true };
        const reply = { msgtype: "m.text", body, "m.relates_to": { ...relation, "m.in_reply_to": { event_id: rootId } } };
        const sent = await client.http.authedRequest(Method.Put, path, undefined, reply);
        return sent.event_id;
    },

    /**
     * Wait until the thread below an event has this reply, and so many in all. matrix-js-sdk counts a reply twice for a
     * moment, until it has asked the server for the root again.
     */
    async thread(roomId, rootId, body, length) {
        const look = () => {
            const thread = client.getRoom(roomId)?.getThread(rootId);
            const isThere = (event) => event.getContent().body === body && event.status !== EventStatus.SENDING;
            return thread?.length === length && thread.events.some(isThere);
        };
        const events = [RoomEvent.Timeline, ThreadEvent.New, ThreadEvent.Update, ThreadEvent.NewReply];
        await seen(`${length} replies with "${body}"`, events, look);
    },

    /** Wait until an event has this reaction; who reacted. */
    async reaction(roomId, eventId, key) {
        const look = () => {
            const relations = client.getRoom(roomId)?.relations;
            const found = relations?.getChildEventsForEvent(eventId, RelationType.Annotation, "m.reaction");
            const [, events] = found?.getSortedAnnotationsByKey()?.find(([of]) => of === key) ?? [];
            return events && [...events][0];
        };
        return (await seen(`the reaction ${key}`, [RoomEvent.Timeline], look)).getSender();
    },

    async logOut() {
        await client.logout(true);
    },
};
