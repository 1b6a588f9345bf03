-- One-time keys in the order of their uploads, for SQLite's sake: ordered by device, as they were, each upload split pages in
-- the middle of the table, and wrote half as many again.

CREATE TABLE one_time_keys_by_upload (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    first_no BIGINT NOT NULL,               -- the number of the first key in the row
    number SMALLINT NOT NULL,               -- how many there are
    ts BIGINT NOT NULL,                     -- when they were uploaded
    names TEXT NOT NULL,                    -- key id; of several a JSON array
    keys {{bytes}} NOT NULL,                -- key as JSON; of several an array
    PRIMARY KEY (user_id, device_id, algorithm, first_no)
);

INSERT INTO one_time_keys_by_upload (user_id, device_id, algorithm, first_no, number, ts, names, keys)
SELECT user_id, device_id, algorithm, first_no, number, ts, names, keys FROM one_time_key_batches ORDER BY ts;

DROP TABLE one_time_key_batches;
ALTER TABLE one_time_keys_by_upload RENAME TO one_time_key_batches;
