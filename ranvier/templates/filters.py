"""What templates can do with their variables besides what Jinja2 knows. Manual: "Templates", the filters. Pure."""

import time
from collections.abc import Callable
from urllib.parse import quote, urlencode


def format_ts(ts_ms: int, format: str) -> str:
    """A moment in the server's time zone, written as `strftime` writes it."""
    return time.strftime(format, time.localtime(ts_ms / 1000))


def localpart_from_email(address: str) -> str:
    """What stands before the last `@`."""
    return address.rpartition("@")[0]


def thumbnail_url(public_baseurl: str) -> Callable[..., str]:
    """What turns an `mxc` URI into an address of a thumbnail, for browsers and mail programs."""

    def mxc_to_http(value: object, width: int, height: int, resize_method: str = "crop") -> str:
        """Empty for what is no `mxc` URI."""
        if not isinstance(value, str) or not value.startswith("mxc://"):
            return ""
        media, hash, fragment = value.removeprefix("mxc://").partition("#")
        size = urlencode({"width": width, "height": height, "method": resize_method})
        base = public_baseurl.rstrip("/")
        return f"{base}/_matrix/media/v3/thumbnail/{quote(media, safe='/:')}?{size}{hash}{quote(fragment)}"

    return mxc_to_http
