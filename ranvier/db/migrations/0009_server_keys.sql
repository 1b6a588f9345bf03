-- What other servers sign with.

-- The newest list of keys that a server has published, with its own signatures, for those who ask us for it.
CREATE TABLE server_key_documents (
    server_name TEXT PRIMARY KEY,
    json {{bytes}} NOT NULL,                -- canonical JSON
    valid_until_ts BIGINT NOT NULL,         -- at most seven days after fetched_ts, whatever the list says
    fetched_ts BIGINT NOT NULL
) {{without_rowid}};

-- Every key that a server was ever seen to have, for the signatures of old events.
CREATE TABLE server_keys (
    server_name TEXT NOT NULL,
    key_id TEXT NOT NULL,                   -- ed25519:a_AbCd
    public_key {{bytes}} NOT NULL,
    valid_until_ts BIGINT NOT NULL,         -- of a key that is not used any more: when it was last
    PRIMARY KEY (server_name, key_id)
) {{without_rowid}};
