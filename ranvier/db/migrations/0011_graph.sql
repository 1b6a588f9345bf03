-- The graph of events that come from other servers: what branches, what is missing, what waits.

ALTER TABLE events ADD COLUMN state_after BIGINT;    -- of a state event: the state_no of the state with it
ALTER TABLE events ADD COLUMN head_before BIGINT;    -- the room's state_no when it came, if that was not state_before

-- Events that are cited as prev_events and that we do not have.
CREATE TABLE backward_extremities (
    room_nid BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    child_nid BIGINT NOT NULL,
    PRIMARY KEY (room_nid, event_id, child_nid)
) {{without_rowid}};

-- Redactions whose target has not come yet.
CREATE TABLE waiting_redactions (
    room_nid BIGINT NOT NULL,
    target_id TEXT NOT NULL,
    redaction_nid BIGINT NOT NULL,
    PRIMARY KEY (room_nid, target_id, redaction_nid)
) {{without_rowid}};

-- Events that were acknowledged to their sender and whose ancestors are still being asked for.
CREATE TABLE inbound_events (
    inbound_nid {{serial_key}},
    room_id TEXT NOT NULL,
    event_id TEXT NOT NULL UNIQUE,
    origin TEXT NOT NULL,
    received_ts BIGINT NOT NULL,
    json {{bytes}} NOT NULL
);

-- What somebody at the door of a room that this server is not in was told about it.
CREATE TABLE stripped_states (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    state {{bytes}} NOT NULL,               -- JSON list of stripped events
    PRIMARY KEY (user_nid, room_nid)
) {{without_rowid}};
