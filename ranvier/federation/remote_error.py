"""Errors that other servers answer with.

Spec: server-server API, "API standards"; client-server API, "Rate limiting".
"""

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from ranvier.ports import FederationAnswer
from ranvier.proto.canonical_json import NotCanonical, decode_lenient

_ERROR_CHARS = 500


class RemoteError(Exception):
    """Another server has refused. What it says is from outside: nothing in it is known to be true, or short.

    `errcode` is `M_UNKNOWN` where there is none; `body` the object that came, else empty.
    """

    def __init__(
        self, status: int, errcode: str, error: str, *, body: dict[str, Any], retry_after_ms: int | None = None
    ) -> None:
        super().__init__(f"{status} {errcode}: {error}")
        self.status = status
        self.errcode = errcode
        self.error = error
        self.body = body
        self.retry_after_ms = retry_after_ms


def remote_error(answer: FederationAnswer, *, now_ms: int) -> RemoteError:
    """The error in an answer that is not a success."""
    try:
        decoded = decode_lenient(answer.body)
    except NotCanonical:
        decoded = None
    body: dict[str, Any] = decoded if isinstance(decoded, dict) else {}
    errcode, error = body.get("errcode"), body.get("error")
    return RemoteError(
        answer.status,
        errcode[:_ERROR_CHARS] if isinstance(errcode, str) and errcode else "M_UNKNOWN",
        error[:_ERROR_CHARS] if isinstance(error, str) else "",
        body=body,
        retry_after_ms=_retry_after_ms(answer, body, now_ms),
    )


def _retry_after_ms(answer: FederationAnswer, body: dict[str, Any], now_ms: int) -> int | None:
    """From the header (seconds or a date), else from the body."""
    header = answer.headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit() and len(header) < 10:
        return int(header) * 1000
    if header:
        try:
            at = parsedate_to_datetime(header)
            return max(0, int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000) - now_ms)
        except (ValueError, OverflowError):
            pass
    asked = body.get("retry_after_ms")
    return asked if isinstance(asked, int) and not isinstance(asked, bool) and asked >= 0 else None
