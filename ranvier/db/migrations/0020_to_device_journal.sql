-- compat: 20
-- Messages to devices, of the last moments: one row a request, whatever the number of devices. Most are delivered before
-- anything else is written for them; what waits longer goes on into to_device_messages, many messages of a device in a row.
CREATE TABLE to_device_journal (
    stream_pos {{serial_key}},
    messages {{bytes}} NOT NULL             -- JSON: [[[user_id, device_id, index of the event], ...], [event, ...]]
);
{{external_storage to_device_journal messages}};

-- A row holds one event, or a JSON array of [stream_pos, event], of which the last one's position is the row's.
ALTER TABLE to_device_messages ADD COLUMN number SMALLINT NOT NULL DEFAULT 1;
