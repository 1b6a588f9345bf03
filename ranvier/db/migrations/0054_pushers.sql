-- Who is told of a user's notifications, and what those who are told by mail were told last.

CREATE TABLE pushers (
    user_id TEXT NOT NULL,
    app_id TEXT NOT NULL,
    pushkey TEXT NOT NULL,
    kind TEXT NOT NULL,
    app_display_name TEXT NOT NULL,
    device_display_name TEXT NOT NULL,
    profile_tag TEXT NOT NULL,
    lang TEXT NOT NULL,
    data {{bytes}} NOT NULL,                -- JSON
    created_ts BIGINT NOT NULL,
    told_upto BIGINT NOT NULL,              -- the position in the stream up to which everything was told
    PRIMARY KEY (user_id, app_id, pushkey)
) {{without_rowid}};
CREATE INDEX pushers_pushkey ON pushers (pushkey, app_id);

-- When a room was last told of by mail, and how long there is to be silence.
CREATE TABLE mailed_rooms (
    user_id TEXT NOT NULL,
    pushkey TEXT NOT NULL,
    room_nid BIGINT NOT NULL,
    sent_ts BIGINT NOT NULL,
    silence_ms BIGINT NOT NULL,
    PRIMARY KEY (user_id, pushkey, room_nid)
) {{without_rowid}};
