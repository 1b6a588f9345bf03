"""Users whom a provider knows and this server not yet, while they choose a name and read the policy. In memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ranvier.ports import Clock, Random
from ranvier.sso.provider import Identity, ProviderCard, SignOnFailed
from ranvier.users.token_text import new_session_id

LIFETIME_MS: Final = 15 * 60_000
_MAX: Final = 10_000


@dataclass(slots=True, kw_only=True)
class Newcomer:
    """One of them, and what they have decided."""

    card: ProviderCard
    identity: Identity
    client_redirect_url: str
    expires_ts: int
    localpart: str | None = None
    """`None`: still to be chosen."""
    display_name: str | None = None
    emails: Sequence[str] = field(default_factory=tuple)
    has_agreed: bool = False


class Newcomers:
    """Finds them by what their browser keeps."""

    def __init__(self, *, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._known: dict[str, Newcomer] = {}

    def add(self, card: ProviderCard, identity: Identity, client_redirect_url: str, *, localpart: str | None) -> str:
        """The key under which to find them."""
        now_ms = self._clock.now_ms()
        # They stand in the order of their arrival.
        for key, newcomer in list(self._known.items())[:2]:
            if newcomer.expires_ts <= now_ms or len(self._known) >= _MAX:
                del self._known[key]
        key = new_session_id(self._random)
        self._known[key] = Newcomer(
            card=card,
            identity=identity,
            client_redirect_url=client_redirect_url,
            expires_ts=now_ms + LIFETIME_MS,
            localpart=localpart,
            display_name=identity.display_name,
            emails=identity.emails,
        )
        return key

    def find(self, key: str) -> Newcomer:
        """Raises `SignOnFailed` where it is over."""
        newcomer = self._known.get(key)
        if newcomer is None or newcomer.expires_ts <= self._clock.now_ms():
            raise SignOnFailed("session_expired", "This took too long: start again.")
        return newcomer

    def take(self, key: str) -> Newcomer:
        """As `find`; nobody finds them again."""
        newcomer = self.find(key)
        del self._known[key]
        return newcomer
