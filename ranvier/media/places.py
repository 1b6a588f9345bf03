"""Where in the media store which file is: the layout of Synapse's, so that a store of either serves the other.

Manual: media repository. Pure; names have been checked before (`proto/mxc.py`).
"""

from ranvier.store.media import Medium


def content_of(medium: Medium, own_server: str) -> str:
    """The path of a medium below the store."""
    if medium.server_name != own_server:
        return f"remote_content/{medium.server_name}/{_split(medium.file_id)}"
    if medium.page_url is not None:
        return f"url_cache/{_dated(medium.file_id)}"
    return f"local_content/{_split(medium.file_id)}"


def thumbnails_of(medium: Medium, own_server: str) -> str:
    """The folder of a medium's thumbnails below the store."""
    if medium.server_name != own_server:
        return f"remote_thumbnail/{medium.server_name}/{_split(medium.file_id)}"
    if medium.page_url is not None:
        return f"url_cache_thumbnails/{_dated(medium.file_id)}"
    return f"local_thumbnails/{_split(medium.file_id)}"


def thumbnail_name(width: int, height: int, content_type: str, method: str) -> str:
    """For instance `128-96-image-jpeg-scale`."""
    return f"{width}-{height}-{content_type.replace('/', '-')}-{method}"


def _split(file_id: str) -> str:
    """`aa/bb/rest`. Shorter names than Synapse ever gives get a rest, too."""
    return f"{file_id[:2]}/{file_id[2:4] or '_'}/{file_id[4:] or '_'}"


def _dated(file_id: str) -> str:
    """Files of previews are called `2026-11-23_rest`, and lie in a folder for each day."""
    return f"{file_id[:10]}/{file_id[11:]}" if len(file_id) > 11 and file_id[4] == "-" else _split(file_id)
