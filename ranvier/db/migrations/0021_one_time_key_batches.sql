-- compat: 21
-- One-time keys as they come and go: some of one upload in a row, and per device how many have been given out. So an upload
-- writes a few rows side by side, and giving out a key changes one number.
CREATE TABLE one_time_key_queues (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    uploaded BIGINT NOT NULL,               -- the number of the last key; the first is 1
    given BIGINT NOT NULL DEFAULT 0,        -- keys up to this number have been given out
    PRIMARY KEY (user_id, device_id, algorithm)
) {{without_rowid}};

-- Rows whose keys have all been given out stay for a day: an upload that is repeated, because its answer was lost, must not
-- bring them back.
CREATE TABLE one_time_key_batches (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    first_no BIGINT NOT NULL,               -- the number of the first key in the row
    number SMALLINT NOT NULL,               -- how many there are
    ts BIGINT NOT NULL,                     -- when they were uploaded
    names TEXT NOT NULL,                    -- key id; of several a JSON array
    keys {{bytes}} NOT NULL,                -- key as JSON; of several an array
    PRIMARY KEY (user_id, device_id, algorithm, first_no)
) {{without_rowid}};

INSERT INTO one_time_key_batches (user_id, device_id, algorithm, first_no, number, ts, names, keys)
SELECT user_id, device_id, algorithm,
    ROW_NUMBER() OVER (PARTITION BY user_id, device_id, algorithm ORDER BY seq, key_id), 1, 0, key_id, key
FROM one_time_keys WHERE seq > 0;

INSERT INTO one_time_key_queues (user_id, device_id, algorithm, uploaded)
SELECT user_id, device_id, algorithm, COUNT(*) FROM one_time_keys WHERE seq > 0 GROUP BY user_id, device_id, algorithm;

DROP TABLE one_time_keys;
