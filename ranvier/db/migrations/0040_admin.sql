-- What administrators see and set.

-- Of a profile what accounts are listed and sorted by; texts only as far as every database can hold them.
ALTER TABLE profiles ADD COLUMN displayname TEXT;
ALTER TABLE profiles ADD COLUMN avatar_url TEXT;
ALTER TABLE profiles ADD COLUMN folded TEXT;                  -- the display name, case-folded
ALTER TABLE profiles ADD COLUMN listed SMALLINT NOT NULL DEFAULT 0;    -- 1: these columns say what fields says
CREATE INDEX profiles_unlisted ON profiles (user_id) WHERE listed = 0;

-- Who somebody is at an identity provider.
CREATE TABLE user_external_ids (
    auth_provider TEXT NOT NULL,
    external_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (auth_provider, external_id)
) {{without_rowid}};
CREATE INDEX user_external_ids_user ON user_external_ids (user_id);

-- E-mail addresses and telephone numbers of accounts.
CREATE TABLE user_threepids (
    medium TEXT NOT NULL,
    address TEXT NOT NULL,
    user_id TEXT NOT NULL,
    validated_at BIGINT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (medium, address)
) {{without_rowid}};
CREATE INDEX user_threepids_user ON user_threepids (user_id);

CREATE TABLE user_experimental_features (
    user_id TEXT NOT NULL,
    feature TEXT NOT NULL,
    enabled SMALLINT NOT NULL,
    PRIMARY KEY (user_id, feature)
) {{without_rowid}};

-- Reports are listed by whose event they are about.
ALTER TABLE event_reports ADD COLUMN sender TEXT;

-- Work that administrators have asked for, that is done in the background and goes on after a restart.
CREATE TABLE scheduled_tasks (
    task_id TEXT NOT NULL PRIMARY KEY,
    action TEXT NOT NULL,
    status TEXT NOT NULL,                   -- scheduled, active, complete or failed
    ts BIGINT NOT NULL,                     -- when it was last touched
    resource_id TEXT,                       -- what it is about: a user, a room
    params {{bytes}} NOT NULL,              -- JSON
    result {{bytes}},                       -- JSON
    error TEXT
) {{without_rowid}};
CREATE INDEX scheduled_tasks_status ON scheduled_tasks (status, ts);

-- Rebuilding what is made from other tables, portion by portion; a row goes when its work is done.
CREATE TABLE background_updates (
    update_name TEXT NOT NULL PRIMARY KEY,
    progress {{bytes}} NOT NULL             -- JSON: where to go on
) {{without_rowid}};
