-- The states that rooms have been in, as differences: see ranvier/state/history.py.

CREATE TABLE room_state (
    room_nid BIGINT NOT NULL,
    state_no BIGINT NOT NULL,
    base_no BIGINT NOT NULL,                -- 0: the difference is from the empty state
    depth BIGINT NOT NULL,
    fingerprint BIGINT NOT NULL,
    delta {{bytes}},                        -- NULL: in chunks
    PRIMARY KEY (room_nid, state_no)
) {{without_rowid}};

CREATE TABLE room_state_chunk (
    room_nid BIGINT NOT NULL,
    state_no BIGINT NOT NULL,
    first_key BIGINT NOT NULL,
    delta {{bytes}} NOT NULL,
    PRIMARY KEY (room_nid, state_no, first_key)
) {{without_rowid}};
