-- More about accounts: tokens that log another device in, limits of single users, who agreed to what, whose words are
-- to be forgotten.

-- Of tokens only the SHA-256 digest is kept.
CREATE TABLE login_tokens (
    digest {{bytes}} NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    expires_ts BIGINT NOT NULL
) {{without_rowid}};
CREATE INDEX login_tokens_expiry ON login_tokens (expires_ts);
CREATE INDEX login_tokens_user ON login_tokens (user_id);

-- How often single users may do what is limited for all; 0 messages per second: as often as they like.
CREATE TABLE ratelimit_override (
    user_id TEXT NOT NULL PRIMARY KEY,
    messages_per_second BIGINT NOT NULL,
    burst_count BIGINT NOT NULL
) {{without_rowid}};

ALTER TABLE users ADD COLUMN consent_version TEXT;    -- of the policy that the user agreed to
ALTER TABLE users ADD COLUMN consent_ts BIGINT;

CREATE INDEX users_guests ON users (name) WHERE is_guest = 1;

-- Who comes into a room later than this sees what these users said as if it had been redacted.
CREATE TABLE erased_users (
    user_id TEXT NOT NULL PRIMARY KEY,
    stream_pos BIGINT NOT NULL
) {{without_rowid}};

-- Deactivated users who are not out of all their rooms yet.
CREATE TABLE departing_users (
    user_id TEXT NOT NULL PRIMARY KEY
) {{without_rowid}};
