"""How often something may happen: leaky buckets by key, for the HTTP layer and the domain alike.

Configuration: "Ratelimiting" (`rc_*`). A bucket is one number, the time at which it will have leaked empty (the generic
cell rate algorithm), so that checking costs a dictionary look-up and an idle key costs nothing.
"""

from collections.abc import Mapping

from ranvier.config.model import Config
from ranvier.config.rates import RateLimit
from ranvier.ports import Clock
from ranvier.proto.errors import limit_exceeded

MAX_KEYS = 50_000
"""Buckets a limiter holds before it forgets the longest unused ones."""

_LONGEST_WAIT_MS = 24 * 3_600_000
_NEVER_S = 1e9
"""Between two actions when `per_second` is 0."""


class OwnLimits:
    """Keys (users) that are not limited as the others."""

    __slots__ = ("limits",)

    def __init__(self) -> None:
        self.limits: dict[str, tuple[float, float]] = {}
        """For each seconds between two actions, and how many seconds' worth may come at once."""

    def set(self, key: str, per_second: float, burst_count: int) -> None:
        """Limit a key in its own way; 0 `per_second`: not at all."""
        interval_s = 1 / per_second if per_second > 0 else 0.0
        self.limits[key] = (interval_s, max(1, burst_count) * interval_s)

    def remove(self, key: str) -> None:
        """Limit a key as the others."""
        self.limits.pop(key, None)


class RateLimiter:
    """One class of actions, limited by key (a user, a room, an address)."""

    __slots__ = ("_clock", "_empty_at", "_interval_s", "_max_keys", "_own", "_room_s")

    def __init__(
        self, rate: RateLimit, *, clock: Clock, max_keys: int = MAX_KEYS, own: OwnLimits | None = None
    ) -> None:
        self._clock = clock
        self._own: Mapping[str, tuple[float, float]] = {} if own is None else own.limits
        self._max_keys = max_keys
        self.change(rate)
        self._empty_at: dict[str, float] = {}
        """When each bucket will be empty, longest unused first; a missing key is empty."""

    def change(self, rate: RateLimit) -> None:
        """Limit by another rate from now on; what was done counts on."""
        self._interval_s = 1 / rate.per_second if rate.per_second > 0 else _NEVER_S
        self._room_s = rate.burst_count * self._interval_s

    def spend(self, key: str, *, cost: int = 1) -> None:
        """Count `cost` actions of `key`. Raises 429 `M_LIMIT_EXCEEDED`, and then counts nothing."""
        now = self._clock.monotonic()
        self._fill(key, self._filled(key, now, cost), now)

    def check(self, key: str) -> None:
        """Raises 429 `M_LIMIT_EXCEEDED` if one more action of `key` would be too many; counts nothing."""
        self._filled(key, self._clock.monotonic(), 1)

    def count(self, key: str) -> None:
        """Count an action that was checked before and has happened, be it too many by now."""
        now = self._clock.monotonic()
        interval_s = self._own[key][0] if key in self._own else self._interval_s
        self._fill(key, max(self._empty_at.get(key, now), now) + interval_s, now)

    def forget(self, key: str) -> None:
        """Empty the bucket of `key`."""
        self._empty_at.pop(key, None)

    def __len__(self) -> int:
        """How many buckets are held."""
        return len(self._empty_at)

    def _fill(self, key: str, empty_at: float, now: float) -> None:
        # Taken out and put in again, so that the order of the dictionary is the order of use.
        self._empty_at.pop(key, None)
        self._empty_at[key] = empty_at
        if len(self._empty_at) > self._max_keys:
            self._forget(now)

    def _filled(self, key: str, now: float, cost: int) -> float:
        """When the bucket will be empty after `cost` more. Raises 429 `M_LIMIT_EXCEEDED` if it would overflow."""
        interval_s, room_s = self._own.get(key, (self._interval_s, self._room_s))
        if interval_s == 0:
            return now
        filled = max(self._empty_at.get(key, now), now) + cost * interval_s
        excess_s = filled - now - room_s
        if excess_s > 1e-6:
            raise limit_exceeded(min(_LONGEST_WAIT_MS, max(1, round(excess_s * 1000))))
        return filled

    def _forget(self, now: float) -> None:
        """Drop what has leaked empty; if nothing had, the longest unused tenth."""
        self._empty_at = {key: empty_at for key, empty_at in self._empty_at.items() if empty_at > now}
        for key in list(self._empty_at)[: max(0, len(self._empty_at) - self._max_keys * 9 // 10)]:
            del self._empty_at[key]


OF_ACTING_USERS = frozenset(
    {
        "rc_message",
        "rc_admin_redaction",
        "rc_joins.local",
        "rc_joins.remote",
        "rc_3pid_validation",
        "rc_invites.per_issuer",
        "rc_third_party_invite",
        "rc_media_create",
        "rc_presence.per_user",
        "rc_delayed_event_mgmt",
        "rc_reports",
        "rc_room_creation",
        "rc_user_directory",
    }
)
"""The limits whose key is the user who acts: those that a user's own limits replace."""


def rate_limiters(config: Config, *, clock: Clock, own: OwnLimits | None = None) -> Mapping[str, RateLimiter]:
    """A limiter for each `rc_*` option, under its name in the file (`rc_login.address`)."""
    limiters = {
        name: RateLimiter(rate, clock=clock, own=own if name in OF_ACTING_USERS else None)
        for name, rate in rates_of(config).items()
    }
    redaction = config.rc_admin_redaction
    # Without a limit of their own, redactions by admins count as messages, in the same bucket.
    limiters["rc_admin_redaction"] = (
        RateLimiter(redaction, clock=clock, own=own) if redaction is not None else limiters["rc_message"]
    )
    return limiters


def rates_of(config: Config) -> Mapping[str, RateLimit]:
    """The rates that can change under way, by the names of their options."""
    return {
        "rc_message": config.rc_message,
        "rc_registration": config.rc_registration,
        "rc_registration_token_validity": config.rc_registration_token_validity,
        "rc_login.address": config.rc_login.address,
        "rc_login.account": config.rc_login.account,
        "rc_login.failed_attempts": config.rc_login.failed_attempts,
        "rc_joins.local": config.rc_joins.local,
        "rc_joins.remote": config.rc_joins.remote,
        "rc_joins_per_room": config.rc_joins_per_room,
        "rc_3pid_validation": config.rc_3pid_validation,
        "rc_invites.per_room": config.rc_invites.per_room,
        "rc_invites.per_user": config.rc_invites.per_user,
        "rc_invites.per_issuer": config.rc_invites.per_issuer,
        "rc_third_party_invite": config.rc_third_party_invite,
        "rc_media_create": config.rc_media_create,
        "rc_presence.per_user": config.rc_presence.per_user,
        "rc_delayed_event_mgmt": config.rc_delayed_event_mgmt,
        "rc_reports": config.rc_reports,
        "rc_room_creation": config.rc_room_creation,
        "rc_user_directory": config.rc_user_directory,
        "rc_key_requests": config.rc_key_requests,
    }
