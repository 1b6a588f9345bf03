-- Who has used this server in the last month, where the operator limits or counts them.

CREATE TABLE monthly_active_users (
    user_id TEXT NOT NULL PRIMARY KEY,
    last_active_ts BIGINT NOT NULL
) {{without_rowid}};
