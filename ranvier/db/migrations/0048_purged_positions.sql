-- Up to which position of its timeline something of a room has been deleted.

ALTER TABLE purged_history ADD COLUMN upto_pos BIGINT NOT NULL DEFAULT 0;
