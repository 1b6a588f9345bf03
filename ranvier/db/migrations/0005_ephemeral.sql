-- What users have read, what is unread for them, and when they want to be notified.

-- One row for each place that a user marks in a room: in public or in private, in each thread or in none.
CREATE TABLE receipts (
    room_nid BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    pos BIGINT NOT NULL,                    -- of the event in the room's timeline; 0 if we do not have it
    stream_pos BIGINT NOT NULL,
    ts BIGINT NOT NULL,
    is_private SMALLINT NOT NULL,           -- 0: m.read, 1: m.read.private
    thread TEXT NOT NULL,                   -- empty: unthreaded; main; or the id of the thread's root
    event_id TEXT NOT NULL,
    PRIMARY KEY (room_nid, user_nid, is_private, thread)
) {{without_rowid}};
CREATE INDEX receipts_stream ON receipts (room_nid, stream_pos);
CREATE INDEX receipts_user ON receipts (user_nid);

-- Unread notifications as they were when somebody last wrote them down. Only saves time: what is missing is counted again.
CREATE TABLE unread (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    pos BIGINT NOT NULL,                    -- the timeline has been counted up to here
    entries {{bytes}} NOT NULL,             -- JSON: by thread the positions that notify, see ranvier/sync/unread_entries.py
    PRIMARY KEY (user_nid, room_nid)
) {{without_rowid}};

-- What users have changed about the push rules of the server, and their own.
CREATE TABLE push_rules (
    user_id TEXT NOT NULL PRIMARY KEY,
    rules {{bytes}} NOT NULL                -- JSON of ranvier.proto.push_rules.UserRules
) {{without_rowid}};
