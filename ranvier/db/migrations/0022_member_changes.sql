-- Where branches of a room's history meet, several members may change at one position.

CREATE TABLE member_changes_by_user (
    room_nid BIGINT NOT NULL,
    stream_pos BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    joined SMALLINT NOT NULL,
    PRIMARY KEY (room_nid, stream_pos, user_nid)
) {{without_rowid}};
INSERT INTO member_changes_by_user (room_nid, stream_pos, user_nid, joined)
    SELECT room_nid, stream_pos, user_nid, joined FROM member_changes;
DROP TABLE member_changes;
ALTER TABLE member_changes_by_user RENAME TO member_changes;
CREATE INDEX member_changes_user ON member_changes (user_nid, stream_pos);
