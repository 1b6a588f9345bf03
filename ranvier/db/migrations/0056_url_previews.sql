-- Previews of pages, as they were shown, by the hash of the page's address.

CREATE TABLE url_previews (
    url_hash {{bytes}} NOT NULL PRIMARY KEY,
    answer {{bytes}} NOT NULL,
    expires_ts BIGINT NOT NULL
);
CREATE INDEX url_previews_by_end ON url_previews (expires_ts);
CREATE INDEX media_of_pages ON media (last_access_ts) WHERE page_url IS NOT NULL;
