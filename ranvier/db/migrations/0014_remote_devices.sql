-- Device lists across servers: what others have told of their users, and how far others know ours.

-- The rooms of any user, of other servers too.
CREATE INDEX room_current_joined ON room_current (key_id, room_nid) WHERE membership = 1;

-- Devices and cross-signing keys of users of other servers who share a room with a user of this one.
CREATE TABLE remote_device_lists (
    user_id TEXT NOT NULL PRIMARY KEY,
    stream_id BIGINT NOT NULL,              -- of the last update that is in it; -1: not known
    synced_pos BIGINT NOT NULL,             -- position of the event stream when the whole list was asked for
    is_stale SMALLINT NOT NULL,             -- 1: an update is missing, the list has to be asked for again
    keys {{bytes}} NOT NULL                 -- JSON, see ranvier/store/remote_devices.py
) {{without_rowid}};
CREATE INDEX remote_device_lists_stale ON remote_device_lists (user_id) WHERE is_stale = 1;

-- What other servers have been told, or are being told, of local users: when each device last changed.
CREATE TABLE announced_devices (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,                -- empty: the cross-signing keys
    stream_pos BIGINT NOT NULL,             -- of the stream of device-list changes
    digest {{bytes}},                       -- of what was told; NULL: the device is gone
    PRIMARY KEY (user_id, device_id)
) {{without_rowid}};

-- Whose changes a server has not acknowledged yet, and since when.
CREATE TABLE device_list_outbox (
    destination TEXT NOT NULL,
    user_id TEXT NOT NULL,
    since BIGINT NOT NULL,                  -- position of the last change that it has been told of; 0: none
    PRIMARY KEY (destination, user_id)
) {{without_rowid}};

-- Every change of a local user up to this position is acknowledged, or in device_list_outbox.
CREATE TABLE device_list_sent (
    one_row SMALLINT NOT NULL PRIMARY KEY,     -- 1
    pos BIGINT NOT NULL
);
