"""How long an answer may be kept: RFC 9111, as far as a private cache of `.well-known` needs it. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def lifetime_s(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """Seconds that the answer is fresh from now on (0: not at all), `None` where its headers do not say.

    Names in `headers` are lower-case.
    """
    directives = _directives(headers.get("cache-control", ""))
    if "no-store" in directives or "no-cache" in directives:
        return 0
    max_age = directives.get("max-age")
    if max_age is not None:
        return max(0.0, float(max_age) - _age(headers)) if _is_number(max_age) else 0
    if "expires" not in headers:
        return None
    expires, date = _moment(headers["expires"]), _moment(headers.get("date", ""))
    if expires is None:
        # "0" and other rubbish mean: in the past.
        return 0
    return max(0.0, (expires - (date or datetime.fromtimestamp(now_ms / 1000, UTC))).total_seconds() - _age(headers))


def _directives(text: str) -> dict[str, str]:
    parts = (part.strip().partition("=") for part in text.lower().split(","))
    return {name.strip(): value.strip().strip('"') for name, _, value in parts}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12


def _age(headers: Mapping[str, str]) -> float:
    age = headers.get("age", "").strip()
    return float(age) if _is_number(age) else 0


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
