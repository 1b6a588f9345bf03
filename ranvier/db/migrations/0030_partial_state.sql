-- Rooms of which not every member is known yet (MSC3706, MSC3902). The first three tables have the columns that the
-- manual describes, for people and tools that look there.

CREATE TABLE partial_state_rooms (
    room_id TEXT NOT NULL PRIMARY KEY,
    device_lists_stream_id BIGINT NOT NULL DEFAULT 0,   -- device lists that changed later have to be told at the end
    join_event_id TEXT,
    joined_via TEXT
);

CREATE TABLE partial_state_events (
    room_id TEXT NOT NULL,
    event_id TEXT NOT NULL PRIMARY KEY
);
CREATE INDEX partial_state_events_room ON partial_state_events (room_id);

CREATE TABLE partial_state_rooms_servers (
    room_id TEXT NOT NULL,
    server_name TEXT NOT NULL,
    PRIMARY KEY (room_id, server_name)
);

-- How far the fetching of the full state has come.
CREATE TABLE partial_state_resyncs (
    room_nid {{serial_key}},
    started_ts BIGINT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_try_ts BIGINT NOT NULL DEFAULT 0,
    last_error TEXT,
    full_state_no BIGINT,                   -- the full state before the join, once it is here
    members BIGINT NOT NULL DEFAULT 0,      -- how many member events it has
    done_ts BIGINT,                         -- when the room became full; the row is then kept for those who ask
    done_pos BIGINT                         -- and at which position of the stream of events
);

-- The members in the full state before the join, until they are those of the room.
CREATE TABLE partial_state_members (
    room_nid BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    event_nid BIGINT NOT NULL,
    membership SMALLINT NOT NULL,
    PRIMARY KEY (room_nid, key_id)
) {{without_rowid}};
