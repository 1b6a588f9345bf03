-- What administrators ask with SQL by heart, beside the table users (name) and the view room_stats_state.

CREATE VIEW event_json AS
    SELECT e.event_id, r.room_id, {{text_of json}} AS json
    FROM events e JOIN rooms r ON r.room_nid = e.room_nid;

CREATE VIEW room_stats_current AS
    SELECT r.room_id, h.joined_members, h.invited_members,
        (SELECT COUNT(*) FROM room_current c WHERE c.room_nid = r.room_nid) AS current_state_events,
        (SELECT COUNT(*) FROM room_current c WHERE c.room_nid = r.room_nid AND c.membership = 3) AS left_members,
        (SELECT COUNT(*) FROM room_current c WHERE c.room_nid = r.room_nid AND c.membership = 4) AS banned_members,
        (SELECT COUNT(*) FROM room_current c WHERE c.room_nid = r.room_nid AND c.membership = 5) AS knocked_members,
        (SELECT COUNT(*) FROM local_members m WHERE m.room_nid = r.room_nid AND m.membership = 1) AS local_users_in_room
    FROM rooms r JOIN room_heads h ON h.room_nid = r.room_nid;
