"""Rate limits as configuration knows them: leaky buckets of `burst_count`, leaking `per_second`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How often something may happen: `burst_count` at once, and `per_second` in the long run."""

    per_second: float
    burst_count: int


@dataclass(frozen=True, slots=True)
class LoginRates:
    """`rc_login`: by client address, by target account, and failures by account."""

    address: RateLimit
    account: RateLimit
    failed_attempts: RateLimit


@dataclass(frozen=True, slots=True)
class JoinRates:
    """`rc_joins`: joins of rooms this server is in (`local`), and is not in (`remote`)."""

    local: RateLimit
    remote: RateLimit


@dataclass(frozen=True, slots=True)
class InviteRates:
    """`rc_invites`: by room, by invited user, by inviting user."""

    per_room: RateLimit
    per_user: RateLimit
    per_issuer: RateLimit


@dataclass(frozen=True, slots=True)
class PresenceRates:
    """`rc_presence`."""

    per_user: RateLimit


@dataclass(frozen=True, slots=True)
class FederationRates:
    """`rc_federation`: how requests of one remote server are slowed down, queued and refused."""

    window_size_ms: int
    sleep_limit: int
    sleep_delay_ms: int
    reject_limit: int
    concurrent: int
