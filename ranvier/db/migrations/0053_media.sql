-- Media: those of our users, and copies of those of other servers. The files are in the media store.

CREATE TABLE media (
    server_name TEXT NOT NULL,
    media_id TEXT NOT NULL,
    file_id TEXT NOT NULL,                  -- names the files; of ours the same as media_id
    user_id TEXT,                           -- who has uploaded it; NULL for those of other servers
    created_ts BIGINT NOT NULL,             -- of copies: when we took it
    expires_ts BIGINT,                      -- until when a name without content may be given one
    content_type TEXT NOT NULL,
    upload_name {{bytes}},
    size_bytes BIGINT,                      -- NULL: not uploaded yet
    last_access_ts BIGINT NOT NULL,
    quarantined_by TEXT,
    is_protected SMALLINT NOT NULL DEFAULT 0,
    needs_token SMALLINT NOT NULL,          -- 1: not to be had by the endpoints without authentication
    page_url {{bytes}},                     -- the page of whose preview it is a part
    PRIMARY KEY (server_name, media_id)
);
CREATE INDEX media_of_user ON media (user_id, created_ts) WHERE user_id IS NOT NULL;
CREATE INDEX media_by_access ON media (last_access_ts);

-- What was quarantined and released, for who mirrors it.
CREATE TABLE quarantine_changes (
    change_nid {{serial_key}},
    server_name TEXT NOT NULL,
    media_id TEXT NOT NULL,
    quarantined SMALLINT NOT NULL
);
