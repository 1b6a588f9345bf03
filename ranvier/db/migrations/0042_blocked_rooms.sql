-- Rooms that nobody of this server can enter, by an administrator's decision; they need not be known here.

CREATE TABLE blocked_rooms (
    room_id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL                   -- who blocked it
) {{without_rowid}};
