-- Joins that were handed in at other servers, and of which nobody knows yet whether they have let the user in.

CREATE TABLE joins_under_way (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    server_name TEXT NOT NULL,
    since_ts BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id, server_name)
);
