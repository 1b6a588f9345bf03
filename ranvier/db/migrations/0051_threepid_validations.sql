-- Who has proved that an e-mail address is theirs, or is about to.

CREATE TABLE threepid_validations (
    session_id TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,                  -- what the proof is for
    medium TEXT NOT NULL,
    address TEXT NOT NULL,
    client_secret {{bytes}} NOT NULL,       -- its digest
    last_send_attempt BIGINT NOT NULL,
    validated_ts BIGINT,
    expires_ts BIGINT NOT NULL
) {{without_rowid}};
CREATE INDEX threepid_validations_address ON threepid_validations (address, purpose);
CREATE INDEX threepid_validations_expiry ON threepid_validations (expires_ts);

-- What was mailed; each mail has a token of its own.
CREATE TABLE threepid_validation_tokens (
    session_id TEXT NOT NULL,
    digest {{bytes}} NOT NULL,
    next_link TEXT,
    expires_ts BIGINT NOT NULL,
    PRIMARY KEY (session_id, digest)
) {{without_rowid}};
CREATE INDEX threepid_validation_tokens_expiry ON threepid_validation_tokens (expires_ts);
