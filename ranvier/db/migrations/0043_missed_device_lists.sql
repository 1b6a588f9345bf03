-- Rooms that have become full, of which it has still to be found out whom changes of device lists have not reached.

CREATE TABLE partial_state_missed_devices (
    room_nid BIGINT NOT NULL PRIMARY KEY,
    join_event_id TEXT NOT NULL,
    device_lists_pos BIGINT NOT NULL        -- device lists that changed later have to be told
);
