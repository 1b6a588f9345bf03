-- Messages that stand in nobody's timeline: rejected and soft-failed ones. They are deleted with the rest.

CREATE INDEX events_unplaced ON events (room_nid, event_nid) WHERE pos IS NULL AND key_id IS NULL;
