-- Accounts of this server and what belongs to them.

CREATE TABLE users (
    name TEXT NOT NULL PRIMARY KEY,         -- the full user id
    password_hash TEXT,                     -- NULL: no login by password
    creation_ts BIGINT NOT NULL,
    admin SMALLINT NOT NULL DEFAULT 0,
    is_guest SMALLINT NOT NULL DEFAULT 0,
    deactivated SMALLINT NOT NULL DEFAULT 0,
    erased SMALLINT NOT NULL DEFAULT 0,
    locked SMALLINT NOT NULL DEFAULT 0,
    suspended SMALLINT NOT NULL DEFAULT 0,
    shadow_banned SMALLINT NOT NULL DEFAULT 0,
    user_type TEXT,                         -- NULL, bot or support
    appservice_id TEXT
);

CREATE TABLE devices (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    display_name TEXT,
    last_seen_ts BIGINT,
    last_seen_ip TEXT,
    last_seen_user_agent TEXT,
    PRIMARY KEY (user_id, device_id)
) {{without_rowid}};

-- Of tokens only the SHA-256 digest is kept.
CREATE TABLE access_tokens (
    token_nid {{serial_key}},
    digest {{bytes}} NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    device_id TEXT,                         -- NULL: an administrator acting as the user
    created_ts BIGINT NOT NULL,
    expires_ts BIGINT,
    refresh_nid BIGINT,                     -- the refresh token it was given out with
    used SMALLINT NOT NULL DEFAULT 0        -- kept only where refresh_nid is set
);
CREATE INDEX access_tokens_device ON access_tokens (user_id, device_id);
CREATE INDEX access_tokens_refresh ON access_tokens (refresh_nid) WHERE refresh_nid IS NOT NULL;

-- A refresh token that has been used stays until one of the tokens that replaced it is used.
CREATE TABLE refresh_tokens (
    token_nid {{serial_key}},
    digest {{bytes}} NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    expires_ts BIGINT,
    session_expires_ts BIGINT,              -- no token of this login lives longer
    next_nid BIGINT                         -- the refresh token that replaced it, once used
);
CREATE INDEX refresh_tokens_device ON refresh_tokens (user_id, device_id);
CREATE INDEX refresh_tokens_next ON refresh_tokens (next_nid) WHERE next_nid IS NOT NULL;

CREATE TABLE profiles (
    user_id TEXT NOT NULL PRIMARY KEY,
    fields {{bytes}} NOT NULL               -- a JSON object; there is one for every user, if only {}
) {{without_rowid}};

CREATE TABLE user_filters (
    user_id TEXT NOT NULL,
    filter_id BIGINT NOT NULL,
    digest {{bytes}} NOT NULL,              -- SHA-256 of the definition: the same filter is stored once
    definition {{bytes}} NOT NULL,
    PRIMARY KEY (user_id, filter_id),
    UNIQUE (user_id, digest)
) {{without_rowid}};

CREATE TABLE account_data (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,                  -- empty: not about a room
    type TEXT NOT NULL,
    stream_pos BIGINT NOT NULL,
    content {{bytes}} NOT NULL,
    PRIMARY KEY (user_id, room_id, type)
) {{without_rowid}};
CREATE INDEX account_data_stream ON account_data (user_id, stream_pos);
CREATE INDEX account_data_pos ON account_data (stream_pos);

CREATE TABLE registration_tokens (
    token TEXT NOT NULL PRIMARY KEY,
    uses_allowed BIGINT,                    -- NULL: any number
    completed BIGINT NOT NULL DEFAULT 0,
    expiry_ts BIGINT
) {{without_rowid}};
