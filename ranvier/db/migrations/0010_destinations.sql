-- Other servers: when they were reached, what has been delivered to them, what waits for them.

CREATE TABLE destinations (
    destination TEXT NOT NULL PRIMARY KEY,
    retry_last_ts BIGINT NOT NULL DEFAULT 0,    -- when it was last tried in vain; 0: it is well
    retry_interval BIGINT NOT NULL DEFAULT 0,   -- for how many milliseconds after that it is left alone
    failure_ts BIGINT,                          -- since when it cannot be reached
    last_successful_pos BIGINT,                 -- stream position of the last event that was delivered
    acked_pos BIGINT                            -- everything up to here was delivered; NULL: up to federation_sent.pos
) {{without_rowid}};

-- Everything up to this stream position was delivered to everyone, but for what destinations.acked_pos says.
CREATE TABLE federation_sent (
    one SMALLINT NOT NULL PRIMARY KEY,         -- 1
    pos BIGINT NOT NULL
);

-- Messages to devices that another server has not acknowledged yet.
CREATE TABLE device_outbox (
    outbox_nid {{serial_key}},
    destination TEXT NOT NULL,
    ts BIGINT NOT NULL,
    edu {{bytes}} NOT NULL                      -- the whole EDU, with its message_id
);
CREATE INDEX device_outbox_destination ON device_outbox (destination, outbox_nid);
