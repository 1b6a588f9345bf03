-- What is deleted for good although its room stays.

-- What was sent up to this time is not fetched again from other servers.
CREATE TABLE purged_history (
    room_nid {{serial_key}},
    upto_ts BIGINT NOT NULL
);

-- Redacted events whose row still holds what they said, by when they were redacted.
ALTER TABLE events ADD COLUMN pruned SMALLINT NOT NULL DEFAULT 0;
CREATE INDEX events_unpruned ON events (redacted_by) WHERE redacted_by IS NOT NULL AND pruned = 0;

-- Rooms that everybody of this server has forgotten, and since when that is known.
CREATE TABLE forgotten_rooms (
    room_nid {{serial_key}},
    since_ts BIGINT NOT NULL
);
