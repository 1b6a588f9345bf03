-- Until when accounts are good, and the link with which each is renewed.

CREATE TABLE account_validity (
    user_id TEXT NOT NULL PRIMARY KEY,
    expires_ts BIGINT NOT NULL,
    renewal_digest {{bytes}},               -- of the token in the last mail
    mailed_ts BIGINT,                       -- when that was sent; NULL: nothing was for this term
    used_ts BIGINT,                         -- when that token renewed the account
    mails SMALLINT NOT NULL DEFAULT 1       -- whether the user is written to
) {{without_rowid}};
CREATE INDEX account_validity_expiry ON account_validity (expires_ts);
CREATE INDEX account_validity_token ON account_validity (renewal_digest);
