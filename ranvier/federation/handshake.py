"""The user's server's side of a handshake: ask for a template, complete and sign it, hand it in.

Spec: server-server API, "Joining Rooms" and the sections that follow it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ranvier.federation.client import FederationClient, RemoteError
from ranvier.federation.paths import path
from ranvier.ports import Clock, Random
from ranvier.proto.events import Event
from ranvier.proto.handshakes.bad_answer import BadAnswer
from ranvier.proto.handshakes.template import Template, complete_template, read_template
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.proto.signing import SigningKey

TIMEOUT_S: Final = 20.0
JOIN_TIMEOUT_S: Final = 180.0
"""The resident has to gather the room's state."""
ANSWER_BYTES: Final = 4 << 20
JOIN_BYTES: Final = 512 << 20
"""Of the largest rooms there are: a quarter of a million state events."""
EVENTS: Final = frozenset({"state", "auth_chain"})
"""The parts of an answer to a join of which there may be thousands of entries: where it is large they stay encoded."""

_VERSIONS: Final = tuple(("ver", identifier) for identifier in ROOM_VERSIONS)
_TWICE: Final = frozenset({"join", "leave"})
"""What can be handed in under `v2` and, to older servers, under `v1`."""


class Handshakes:
    """Makes requests; keeps nothing."""

    def __init__(
        self,
        *,
        client: FederationClient,
        clock: Clock,
        random: Random,
        server_name: str,
        signing_key: SigningKey,
        omits_members: bool = False,
    ) -> None:
        """`omits_members`: whether joins ask for partial state (MSC3706)."""
        self._client = client
        self._clock = clock
        self._random = random
        self.server_name = server_name
        self._signing_key = signing_key
        self._omits_members = omits_members

    async def make(self, server: str, membership: str, room_id: str, user_id: str) -> Template:
        """The template that `server` proposes. Raises `BadAnswer`, `RemoteError` or `Unreachable`."""
        answer = await self._client.get(
            server,
            path("v1", f"make_{membership}", room_id, user_id),
            query=() if membership == "leave" else _VERSIONS,
            timeout_s=TIMEOUT_S,
            limit_bytes=ANSWER_BYTES,
            patient=True,
        )
        return read_template(answer, room_id=room_id, user_id=user_id, membership=membership)

    def complete(self, template: Template, content: Mapping[str, Any]) -> Event:
        """The user's event on the template. Raises `BadAnswer`."""
        return complete_template(
            template,
            content,
            server_name=self.server_name,
            signing_key=self._signing_key,
            now_ms=self._clock.now_ms(),
            random=self._random.token_bytes,
        )

    async def send(self, server: str, membership: str, event: Event) -> dict[str, Any]:
        """Hand the event in; the answer, to a join with partial state if the server likes. Raises as `make`."""
        act = f"send_{membership}"
        if membership not in _TWICE:
            return _object(await self._put(server, "v1", act, event))
        try:
            omitting = [("omit_members", "true")] if self._omits_members and membership == "join" else []
            return _object(await self._put(server, "v2", act, event, query=omitting))
        except RemoteError as error:
            if error.status != 404 or error.errcode == "M_NOT_FOUND":
                raise
        # COMPAT: servers from before v1.1 of the spec know the first version only.
        answer = await self._put(server, "v1", act, event)
        return _object(answer[1] if isinstance(answer, list) and len(answer) == 2 else None)

    async def _put(
        self, server: str, version: str, act: str, event: Event, *, query: Sequence[tuple[str, str]] = ()
    ) -> Any:
        is_join = act == "send_join"
        return await self._client.put(
            server,
            path(version, act, event.room_id, event.event_id),
            query=query,
            content=event.json,
            timeout_s=JOIN_TIMEOUT_S if is_join else TIMEOUT_S,
            limit_bytes=JOIN_BYTES if is_join else ANSWER_BYTES,
            patient=True,
            encoded=EVENTS if is_join else (),
        )


def _object(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise BadAnswer("not an object")
    return answer
