-- The version of the policy about which the user has been sent a notice.

ALTER TABLE users ADD COLUMN consent_server_notice_sent TEXT;
