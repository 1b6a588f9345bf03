-- Rooms, the numbers of state keys, events, and what is true in each room now.
-- Every room-scoped table leads with room_nid, so that purging a room is a few range deletes.

CREATE TABLE rooms (
    room_nid {{serial_key}},
    room_id TEXT NOT NULL UNIQUE,
    room_version TEXT NOT NULL,
    creator TEXT NOT NULL,
    is_public SMALLINT NOT NULL DEFAULT 0
);

-- Keys of m.room.member are numbered from 2^30 up and double as the number of the user.
CREATE TABLE state_keys (
    key_id {{serial_key}},
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    UNIQUE (state_key, type)
);

CREATE TABLE events (
    event_nid {{serial_key}},
    room_nid BIGINT NOT NULL,
    pos BIGINT,                             -- order in the room's timeline; NULL for outliers
    event_id TEXT NOT NULL UNIQUE,
    state_before BIGINT,                    -- state_no of the state before the event; NULL if not known
    key_id BIGINT,                          -- the state entry it sets; NULL for messages
    replaces BIGINT,                        -- event_nid of the state event it replaced
    redacted_by BIGINT,                     -- event_nid of the redaction that was applied
    status SMALLINT NOT NULL DEFAULT 0,     -- 0 accepted, 1 rejected, 2 soft-failed
    auth_depth BIGINT NOT NULL,             -- 1 + the greatest of its auth events'
    auth {{bytes}} NOT NULL,                -- varints: event_nid minus each auth event's number
    json {{bytes}} NOT NULL
);
CREATE UNIQUE INDEX events_timeline ON events (room_nid, pos) WHERE pos IS NOT NULL;

-- The tip of each room: what its writer needs to go on.
CREATE TABLE room_heads (
    room_nid {{serial_key}},
    extremities TEXT NOT NULL,              -- JSON list of event numbers
    state_no BIGINT NOT NULL,               -- the state after all extremities
    last_pos BIGINT NOT NULL,
    joined_members BIGINT NOT NULL,
    invited_members BIGINT NOT NULL
);

-- The current state; membership is NULL for other keys, else 1 join, 2 invite, 3 leave, 4 ban, 5 knock.
CREATE TABLE room_current (
    room_nid BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    event_nid BIGINT NOT NULL,
    membership SMALLINT,
    PRIMARY KEY (room_nid, key_id)
) {{without_rowid}};

-- The rooms of each local user.
CREATE TABLE local_members (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    event_nid BIGINT NOT NULL,
    membership SMALLINT NOT NULL,
    stream_pos BIGINT NOT NULL,             -- when the membership became what it is
    forgotten SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_nid, room_nid)
) {{without_rowid}};

-- Which request made an event: a repeated one is answered with the same event.
CREATE TABLE event_txns (
    event_nid {{serial_key}},
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    txn_id TEXT NOT NULL,
    request {{bytes}} NOT NULL,             -- digest of the device and the path
    ts BIGINT NOT NULL
);
CREATE INDEX event_txns_device ON event_txns (user_nid, device_id);
CREATE INDEX event_txns_ts ON event_txns (ts);

CREATE TABLE room_aliases (
    alias TEXT NOT NULL PRIMARY KEY,
    room_nid BIGINT NOT NULL,
    creator TEXT NOT NULL
);
CREATE INDEX room_aliases_room ON room_aliases (room_nid);
