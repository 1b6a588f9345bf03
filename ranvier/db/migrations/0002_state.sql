-- The states that rooms have been in, as differences: see ranvier/state/history.py.
-- Eight-byte columns stand first, so that PostgreSQL pads nothing between them.

CREATE TABLE room_state (
    room_nid BIGINT NOT NULL,
    fingerprint BIGINT NOT NULL,            -- equal states have equal ones
    state_no INTEGER NOT NULL,              -- counts from 1 in each room; 0 is the empty state and has no row
    base_no INTEGER NOT NULL,               -- 0: the difference is from the empty state
    depth INTEGER NOT NULL,
    delta {{bytes}} NOT NULL,               -- what differs from the base, or where the chunks begin
    PRIMARY KEY (room_nid, state_no)
) {{without_rowid}};
{{external_storage room_state delta}};

CREATE TABLE room_state_chunk (
    room_nid BIGINT NOT NULL,
    first_key BIGINT NOT NULL,
    state_no INTEGER NOT NULL,
    delta {{bytes}} NOT NULL,
    PRIMARY KEY (room_nid, state_no, first_key)
) {{without_rowid}};
{{external_storage room_state_chunk delta}};
