"""Options: the media repository."""

from ranvier.config.kinds import BOOL, COUNT, DURATION, LIST, NETWORK, OBJECT, PATH, SIZE, STRING, list_of, one_of
from ranvier.config.option import Option

OPTIONS = (
    Option("enable_media_repo", BOOL, True, "Serve/maintain media on this process"),
    Option("media_store_path", PATH, "media_store", "Where media are stored"),
    Option("media_storage_providers", LIST, [], "Secondary stores"),
    Option("media_storage_providers[].module", STRING, None, "e.g. file_system", required=True),
    Option("media_storage_providers[].store_local", BOOL, None, "Copy new local uploads", required=True),
    Option("media_storage_providers[].store_remote", BOOL, None, "Copy newly fetched remote media", required=True),
    Option("media_storage_providers[].store_synchronous", BOOL, None, "Wait for the copy on upload", required=True),
    Option("media_storage_providers[].config.directory", PATH, None, "Target directory"),
    Option("max_upload_size", SIZE, "50M", "Largest upload"),
    Option("max_image_pixels", SIZE, "32M", "Largest image to thumbnail"),
    Option("dynamic_thumbnails", BOOL, False, "Generate exactly the requested thumbnail size"),
    Option(
        "thumbnail_sizes",
        LIST,
        [],
        "Precomputed thumbnails; 32 and 96 cropped, 320, 640 and 800 wide scaled when not set",
    ),
    Option("thumbnail_sizes[].width", COUNT, None, "Pixels", required=True),
    Option("thumbnail_sizes[].height", COUNT, None, "Pixels", required=True),
    Option("thumbnail_sizes[].method", one_of("crop", "scale"), None, "Method", required=True),
    Option(
        "media_retention.local_media_lifetime",
        DURATION,
        None,
        "Purge local media unused this long (quarantined and protected are kept)",
    ),
    Option("media_retention.remote_media_lifetime", DURATION, None, "Purge cached remote media unused this long"),
    Option("url_preview_enabled", BOOL, False, "URL preview API on (needs lxml)"),
    Option(
        "url_preview_ip_range_blacklist",
        list_of(NETWORK),
        None,
        "IPs the spider must not visit; ignored with HTTP proxy",
    ),
    Option("url_preview_ip_range_whitelist", list_of(NETWORK), [], "Exceptions"),
    Option(
        "url_preview_url_blacklist", list_of(OBJECT), [], "URL shapes not to fetch; globs, or regex if starting with ^"
    ),
    Option("max_spider_size", SIZE, "10M", "Largest page fetched"),
    Option("url_preview_accept_language", list_of(STRING), ["en"], "Accept-Language values"),
    Option("oembed.disable_default_providers", BOOL, False, "Drop the built-in provider list"),
    Option("oembed.additional_providers", list_of(PATH), [], "Extra providers.json files"),
    Option("enable_authenticated_media", BOOL, True, "New media only over authenticated endpoints"),
    Option("enable_local_media_storage", BOOL, True, "false: only media_storage_providers keep media"),
    Option("max_pending_media_uploads", COUNT, 5, "Pending async uploads per user"),
    Option("unused_expiration_time", DURATION, "24h", "Expiry of created but unused MXC ids"),
    Option("media_upload_limits", LIST, [], "Per-period upload quotas (list of time_period, max_size, msc4335 info)"),
    Option("remote_media_download_burst_count", SIZE, "500MiB", "Bucket size, bytes per IP, of remote media downloads"),
    Option("remote_media_download_per_second", SIZE, "87KiB", "Leak rate of that bucket"),
    Option("prevent_media_downloads_from", list_of(STRING), [], "Servers never to fetch media from"),
    Option("media_upload_limits[].time_period", DURATION, None, "Window of one quota", required=True),
    Option("media_upload_limits[].max_size", SIZE, None, "Bytes allowed in the window", required=True),
)
