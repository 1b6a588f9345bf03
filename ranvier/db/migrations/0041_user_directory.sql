-- Who can be found in the user directory, and by what. Made from profiles and from member events.

CREATE TABLE user_directory (
    user_id TEXT NOT NULL PRIMARY KEY,
    is_local SMALLINT NOT NULL,
    display_name TEXT,
    avatar_url TEXT,
    words TEXT NOT NULL                     -- name and local part, folded: see ranvier/proto/name_search.py
) {{without_rowid}};

CREATE TABLE user_directory_tokens (
    is_local SMALLINT NOT NULL,
    token {{bytes}} NOT NULL,               -- as bytes: compared alike by every database, whatever its locale
    user_id TEXT NOT NULL,
    PRIMARY KEY (is_local, token, user_id)
) {{without_rowid}};
CREATE INDEX user_directory_tokens_user ON user_directory_tokens (user_id);

-- Up to this position of the stream of events everything is in the directory.
CREATE TABLE user_directory_stream_pos (
    one_row SMALLINT NOT NULL PRIMARY KEY,  -- 1
    pos BIGINT NOT NULL
);

-- Rooms whose members have become known all at once and are still to be looked at.
CREATE TABLE user_directory_rooms (
    room_nid {{serial_key}},
    after BIGINT NOT NULL                   -- members up to this number have been
);

-- 0: the profile has changed since the directory was told.
ALTER TABLE profiles ADD COLUMN indexed SMALLINT NOT NULL DEFAULT 0;
CREATE INDEX profiles_unindexed ON profiles (user_id) WHERE indexed = 0;

INSERT INTO background_updates (update_name, progress)
    SELECT 'populate_user_directory', CAST('{}' AS {{bytes}}) WHERE EXISTS (SELECT 1 FROM users);
