-- End-to-end encryption: keys of devices and users, messages to devices, backups; and what device lists depend on.

CREATE TABLE device_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    keys {{bytes}} NOT NULL,                -- the DeviceKeys object as canonical JSON, with the device's own signatures
    PRIMARY KEY (user_id, device_id)
) {{without_rowid}};

-- A key that has been given out stays for a day with a negative seq, so that an upload which is repeated because its
-- answer was lost does not bring it back.
CREATE TABLE one_time_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    seq BIGINT NOT NULL,                    -- order of upload; of a key that was given out minus the time it was
    key_id TEXT NOT NULL,
    key {{bytes}} NOT NULL,
    PRIMARY KEY (user_id, device_id, algorithm, seq, key_id)
) {{without_rowid}};
-- The key id first: else PostgreSQL prefers this index where it should take the oldest keys from the primary key.
CREATE UNIQUE INDEX one_time_keys_id ON one_time_keys (key_id, user_id, device_id, algorithm);
CREATE INDEX one_time_keys_claimed ON one_time_keys (seq) WHERE seq < 0;

CREATE TABLE fallback_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key {{bytes}} NOT NULL,
    used SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, device_id, algorithm)
) {{without_rowid}};

CREATE TABLE cross_signing_keys (
    user_id TEXT NOT NULL,
    usage TEXT NOT NULL,                    -- master, self_signing or user_signing
    public_key TEXT NOT NULL,
    key {{bytes}} NOT NULL,                 -- the CrossSigningKey object
    PRIMARY KEY (user_id, usage)
) {{without_rowid}};

-- Signatures that were added to keys after their upload.
CREATE TABLE key_signatures (
    signer TEXT NOT NULL,
    target TEXT NOT NULL,                   -- the user whose key is signed
    target_id TEXT NOT NULL,                -- a device id or a public key
    signing_key TEXT NOT NULL,              -- algorithm and id
    signature TEXT NOT NULL,
    PRIMARY KEY (signer, target, target_id, signing_key)
) {{without_rowid}};

-- The last change of each user's devices or cross-signing keys.
CREATE TABLE device_list_changes (
    user_id TEXT NOT NULL PRIMARY KEY,
    stream_pos BIGINT NOT NULL
) {{without_rowid}};
CREATE INDEX device_list_changes_stream ON device_list_changes (stream_pos);

-- The last time a user signed another one's key: news for the signer's own devices, in the same stream.
CREATE TABLE user_signature_changes (
    signer TEXT NOT NULL,
    target TEXT NOT NULL,
    stream_pos BIGINT NOT NULL,
    PRIMARY KEY (signer, target)
) {{without_rowid}};
CREATE INDEX user_signature_changes_stream ON user_signature_changes (stream_pos);

-- Who began or ceased to be joined to a room, by position of the event that did it.
CREATE TABLE member_changes (
    room_nid BIGINT NOT NULL,
    stream_pos BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    joined SMALLINT NOT NULL,
    PRIMARY KEY (room_nid, stream_pos)
) {{without_rowid}};
CREATE INDEX member_changes_user ON member_changes (user_nid, stream_pos);

CREATE TABLE to_device_messages (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    stream_pos BIGINT NOT NULL,
    message {{bytes}} NOT NULL,             -- the event as the client gets it
    PRIMARY KEY (user_id, device_id, stream_pos)
) {{without_rowid}};

-- Messages are deleted, but their positions must never be given out again: they are reserved in blocks.
CREATE TABLE reserved_positions (
    stream TEXT NOT NULL PRIMARY KEY,
    stream_pos BIGINT NOT NULL              -- the last position that may be in use
) {{without_rowid}};

CREATE TABLE to_device_txns (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    request {{bytes}} NOT NULL,             -- digest of type and transaction id
    ts BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, request)
) {{without_rowid}};
CREATE INDEX to_device_txns_ts ON to_device_txns (ts);

-- Versions of key backups; a deleted one keeps its number.
CREATE TABLE key_backups (
    user_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    algorithm TEXT NOT NULL,
    auth_data {{bytes}} NOT NULL,
    etag BIGINT NOT NULL DEFAULT 0,
    key_count BIGINT NOT NULL DEFAULT 0,
    deleted SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, version)
) {{without_rowid}};

CREATE TABLE key_backup_keys (
    user_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    session_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    first_message_index BIGINT NOT NULL,
    forwarded_count BIGINT NOT NULL,
    is_verified SMALLINT NOT NULL,
    session_data {{bytes}} NOT NULL,
    PRIMARY KEY (user_id, version, session_id, room_id)
) {{without_rowid}};

-- At most one dehydrated device a user (MSC3814); it is a row of devices too.
CREATE TABLE dehydrated_devices (
    user_id TEXT NOT NULL PRIMARY KEY,
    device_id TEXT NOT NULL,
    device_data {{bytes}} NOT NULL
) {{without_rowid}};
