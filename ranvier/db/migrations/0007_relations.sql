-- Which event says that it relates to which. The parent may be one that we do not have.
-- A redacted child relates to nothing any more: its row goes.

CREATE TABLE event_relations (
    room_nid BIGINT NOT NULL,
    parent_id TEXT NOT NULL,
    pos BIGINT NOT NULL,                    -- of the child, as all columns from here on
    child_nid BIGINT NOT NULL,
    origin_server_ts BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    rel_type TEXT NOT NULL,
    type TEXT NOT NULL,
    sender TEXT NOT NULL,
    annotation {{bytes}},                   -- digest of what an m.annotation says
    counts SMALLINT NOT NULL,               -- 0: an m.replace that replaces nothing
    PRIMARY KEY (room_nid, parent_id, pos)
) {{without_rowid}};
CREATE INDEX event_relations_threads ON event_relations (room_nid, pos) WHERE rel_type = 'm.thread';
CREATE INDEX event_relations_annotations ON event_relations (parent_id, sender) WHERE annotation IS NOT NULL;
