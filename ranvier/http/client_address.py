"""Where a request came from, and whether the client spoke TLS, also behind a reverse proxy."""

import ipaddress
from collections.abc import Sequence


def forwarded_address(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """The client's address as the reverse proxy tells it: the first of `X-Forwarded-For`. `None` if it is no address.

    Only for listeners that are configured with `x_forwarded`: anybody can send the header.
    """
    for name, value in headers:
        if name == b"x-forwarded-for":
            text = value.split(b",", 1)[0].strip().decode("latin-1")
            return text if _is_address(text) else None
    return None


def forwarded_scheme(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """`http` or `https` of `X-Forwarded-Proto`."""
    for name, value in headers:
        if name == b"x-forwarded-proto":
            return {b"http": "http", b"https": "https"}.get(value.strip().lower())
    return None


def _is_address(text: str) -> bool:
    # What follows a `%` is the name of an interface, for Python any text: nothing that a client may write into the log.
    if "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
