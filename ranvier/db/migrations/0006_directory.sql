-- Rooms as they look from outside, the published directory, what users have reported, tokens that prove who somebody is.

-- One row a room, written whenever one of the state events it is made from changes. Of texts only what every database can
-- hold; the events have the originals.
CREATE TABLE room_descriptions (
    room_nid {{serial_key}},
    name TEXT,
    topic TEXT,
    canonical_alias TEXT,
    avatar TEXT,
    join_rule TEXT NOT NULL,
    allowed TEXT NOT NULL,                  -- JSON list: members of these rooms may join
    history_visibility TEXT NOT NULL,
    guest_access TEXT NOT NULL,
    encryption TEXT,
    room_type TEXT,
    federate SMALLINT NOT NULL,
    search TEXT NOT NULL                    -- name, topic and alias, case-folded
);

CREATE INDEX rooms_public ON rooms (room_nid) WHERE is_public = 1;

-- For the SQL that administrators know.
CREATE VIEW room_stats_state AS
    SELECT r.room_id, d.name, d.canonical_alias, d.join_rule AS join_rules, d.history_visibility, d.encryption, d.avatar,
        d.guest_access, d.federate AS is_federatable, d.topic, d.room_type
    FROM room_descriptions d JOIN rooms r ON r.room_nid = d.room_nid;

-- Reports keep the ids: they outlive what they are about.
CREATE TABLE event_reports (
    report_nid {{serial_key}},
    received_ts BIGINT NOT NULL,
    score BIGINT,
    room_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    reporter TEXT NOT NULL,
    reason {{bytes}}
);

CREATE TABLE room_reports (
    report_nid {{serial_key}},
    received_ts BIGINT NOT NULL,
    room_id TEXT NOT NULL,
    reporter TEXT NOT NULL,
    reason {{bytes}}
);

CREATE TABLE user_reports (
    report_nid {{serial_key}},
    received_ts BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    reporter TEXT NOT NULL,
    reason {{bytes}}
);

-- Of tokens only the SHA-256 digest is kept.
CREATE TABLE openid_tokens (
    digest {{bytes}} NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    expires_ts BIGINT NOT NULL
) {{without_rowid}};
CREATE INDEX openid_tokens_expiry ON openid_tokens (expires_ts);
