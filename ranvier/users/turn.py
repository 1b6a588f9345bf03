"""Credentials for the TURN server of this homeserver. Spec: client-server API, "Voice over IP", `/voip/turnServer`.

Configuration: `turn_*`. With a shared secret the user name says until when it is valid, and the password proves that we
have said so (the "REST API for access to TURN services").
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.config.room_sections import TurnConfig
from ranvier.ports import Clock
from ranvier.users.requester import Requester


@dataclass(frozen=True, slots=True)
class TurnCredentials:
    """What a client needs to use the TURN server."""

    username: str
    password: str
    uris: Sequence[str]
    ttl: int
    """Seconds."""


class Turn:
    """Makes credentials."""

    def __init__(self, *, config: TurnConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock

    def credentials(self, requester: Requester) -> TurnCredentials | None:
        """Credentials for a user; `None` if there is no TURN server."""
        config = self._config
        if not config.uris:
            return None
        ttl_s = config.user_lifetime_ms // 1000
        if config.shared_secret is not None:
            username = f"{self._clock.now_ms() // 1000 + ttl_s}:{requester.user_id}"
            digest = hmac.digest(config.shared_secret.encode(), username.encode(), "sha1")
            return TurnCredentials(username, b64encode(digest).decode(), config.uris, ttl_s)
        if config.username is not None and config.password is not None:
            return TurnCredentials(config.username, config.password, config.uris, ttl_s)
        return None
