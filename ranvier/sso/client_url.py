"""Where clients want their users back: which addresses are acceptable, and which are known. Pure."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ranvier.sso.provider import SignOnFailed

_MAX_LENGTH: Final = 8000
# What a browser would run or read instead of opening it.
_NO_ADDRESSES: Final = frozenset(
    ("about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source")
)


def checked(url: str | None) -> str:
    """The address in ASCII. Raises `SignOnFailed` for what is none: apps have schemes of their own, scripts have not."""
    scheme = "" if url is None else _scheme(url)
    if url is None or len(url) > _MAX_LENGTH or not scheme or scheme in _NO_ADDRESSES:
        raise SignOnFailed("invalid_request", "The application does not say where to return to (redirectUrl).")
    if scheme in ("http", "https") and not urlsplit(url).netloc:
        raise SignOnFailed("invalid_request", "The application does not say where to return to (redirectUrl).")
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~")


def with_token(url: str, token: str) -> str:
    """The address with `loginToken`, in place of any that is there."""
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "loginToken"]
    changed = parts._replace(query=urlencode([*query, ("loginToken", token)]))
    text = urlunsplit(changed)
    # `app://?a=b` must keep its slashes.
    return text if not url.startswith(f"{parts.scheme}://") or "://" in text else text.replace(":", "://", 1)


def is_known(url: str, beginnings: Iterable[str]) -> bool:
    """Whether it begins as one of these. One that is a host alone stands for that host, not for longer names."""
    return any(url.startswith(begin) and _ends_well(begin, url[len(begin) :]) for begin in beginnings)


def without_query(url: str) -> str:
    """For people to read."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="", fragment=""))


def _ends_well(begin: str, rest: str) -> bool:
    parts = urlsplit(begin)
    return bool(parts.path) or not parts.netloc or rest[:1] in ("", "/", "?", "#")


def _scheme(url: str) -> str:
    if any(character <= " " or character in "\\\x7f" for character in url):
        return ""
    try:
        return urlsplit(url).scheme.lower()
    except ValueError:
        return ""
