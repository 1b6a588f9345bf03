"""What a browser keeps while its user is with a provider: signed, and good for one attempt. Pure.

It ties the answer to the browser that has asked: who is sent the link of somebody else's attempt has no such cookie.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

LIFETIME_MS: Final = 60 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is known when the user comes back."""

    provider: str
    state: str
    expires_ts: int
    client_redirect_url: str = ""
    ui_auth_session: str = ""
    """Not empty: somebody who is logged in confirms who they are."""
    kept: Mapping[str, str]
    """The provider's own."""


class AttemptSeal:
    """Writes attempts down and reads them."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"single sign-on\0" + secret.encode()).digest()

    def seal(self, attempt: Attempt) -> str:
        """The cookie's value."""
        body = urlsafe_b64encode(msgspec.json.encode(attempt)).decode().rstrip("=")
        return f"{body}.{self._mac(body)}"

    def open(self, sealed: str, *, now_ms: int) -> Attempt | None:
        """`None` for what was not written here, or is over."""
        body, _, mac = sealed.rpartition(".")
        if not hmac.compare_digest(self._mac(body).encode(), mac.encode("utf-8", "replace")):
            return None
        attempt = msgspec.json.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=Attempt)
        return attempt if attempt.expires_ts > now_ms else None

    def _mac(self, body: str) -> str:
        return hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def cookie(headers: Mapping[str, str], name: str) -> str:
    """The value of a cookie; empty if there is none."""
    for part in headers.get("cookie", "").split(";"):
        found, _, value = part.strip().partition("=")
        if found == name:
            return value
    return ""


def set_cookie(name: str, value: str, *, secure: bool, lifetime_s: int) -> tuple[bytes, bytes]:
    """The header. Other sites may lead here, but not post here, with it."""
    text = f"{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={lifetime_s}"
    return b"set-cookie", (text + ("; Secure" if secure else "")).encode("ascii")
