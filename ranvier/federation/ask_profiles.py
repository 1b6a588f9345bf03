"""Asks other servers for their users' profiles. Spec: server-server API, "Querying for information"."""

from collections.abc import Mapping
from typing import Any, Final

from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.paths import path
from ranvier.federation.remembering import Remembered
from ranvier.federation.residents import passed_on
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, not_found
from ranvier.proto.ids import domain_of, is_user_id

ANSWER_BYTES: Final = 256 << 10
TIMEOUT_S: Final = 10.0
KEPT_S: Final = 300.0
NONE_KEPT_S: Final = 60.0
"""How long it is believed that there is no such user."""
REMEMBERED: Final = 5000

_TEXTS: Final = ("displayname", "avatar_url")


class ProfileAsking:
    """Asks, and remembers for a while; a `RemoteProfiles`."""

    def __init__(self, *, client: FederationClient, clock: Clock) -> None:
        self._client = client
        self._profiles: Remembered[str, Mapping[str, Any] | None] = Remembered(
            clock=clock, size=REMEMBERED, keep_s=lambda profile: NONE_KEPT_S if profile is None else KEPT_S
        )

    async def get(self, user_id: str) -> Mapping[str, Any]:
        """All fields that are set. Raises 404, 502 if the user's server does not answer, or the error it answers with."""
        if not is_user_id(user_id):
            raise not_found("Profile not found")
        profile = await self._profiles.get(user_id, lambda: self._ask(user_id))
        if profile is None:
            raise not_found("Profile not found")
        return profile

    async def _ask(self, user_id: str) -> Mapping[str, Any] | None:
        server = domain_of(user_id)
        try:
            answer = await self._client.get(
                server,
                path("v1", "query", "profile"),
                query=[("user_id", user_id)],
                timeout_s=TIMEOUT_S,
                limit_bytes=ANSWER_BYTES,
                waited_for=True,
            )
        except RemoteError as error:
            if error.status == 404:
                return None
            raise passed_on(error, server) from error
        except Unreachable as error:
            raise MatrixError(502, "M_UNKNOWN", f"{server} cannot be asked: {error}") from error
        if not isinstance(answer, dict):
            raise MatrixError(502, "M_UNKNOWN", f"{server} answers with what is no profile")
        return {
            name: value
            for name, value in answer.items()
            if value is not None and (name not in _TEXTS or isinstance(value, str))
        }
