"""A local user turns down an invitation to, or takes back a knock on, a room that this server is not in.

Spec: server-server API, "Leaving Rooms (Rejecting Invites)".
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

import orjson

from ranvier.federation.handshake import Handshakes
from ranvier.federation.residents import ask_each, candidates
from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError
from ranvier.proto.event_build import build_event
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of
from ranvier.proto.signing import SigningKey
from ranvier.rooms.outside_membership import OutsideMemberships
from ranvier.rooms.rooms import Rooms
from ranvier.store import stripped_states
from ranvier.store.events import StoredEvent

logger = logging.getLogger(__name__)

MOST: Final = 4
"""How many servers are asked before the user is let go: they wait for it."""


class RemoteLeaves:
    """Leaves by handshake, or at least here."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        handshakes: Handshakes,
        outside: OutsideMemberships,
        clock: Clock,
        random: Random,
        signing_key: SigningKey,
    ) -> None:
        self._rooms = rooms
        self._handshakes = handshakes
        self._outside = outside
        self._clock = clock
        self._random = random
        self._signing_key = signing_key

    async def leave(self, standing: StoredEvent, content: Mapping[str, Any]) -> None:
        """End the invitation or the knock that `standing` is, with this content of the member event.

        If no server that could know the room takes the news, the user gets rid of it all the same.
        """
        event = standing.event
        user_id = event.state_key or ""
        servers = candidates(await self._servers(standing), server_name=self._handshakes.server_name, most=MOST)

        async def through(server: str) -> Event:
            template = await self._handshakes.make(server, "leave", event.room_id, user_id)
            left = self._handshakes.complete(template, content)
            await self._handshakes.send(server, "leave", left)
            return left

        try:
            left = await ask_each(servers, through)
        except MatrixError as error:
            logger.info("%s leaves %s without the room's knowledge: %s", user_id, event.room_id, error)
            left = self._only_here(event, content)
        await self._outside.save(left, event.version)

    async def _servers(self, standing: StoredEvent) -> list[str]:
        """Who invited comes first; then the servers of those of whom the user was told; then who named the room."""
        event = standing.event
        told = await stripped_states.find(self._rooms.db, standing.key_id or 0, standing.room_nid)
        senders = [entry.get("sender") for entry in orjson.loads(told or b"[]")]
        named = [event.sender, *(sender for sender in senders if isinstance(sender, str)), event.room_id]
        return [domain_of(name) for name in named]

    def _only_here(self, event: Event, content: Mapping[str, Any]) -> Event:
        """A leave that no other server will ever see."""
        return build_event(
            version=event.version,
            room_id=event.room_id,
            type="m.room.member",
            sender=event.state_key or "",
            state_key=event.state_key,
            content=dict(content),
            origin_server_ts=self._clock.now_ms(),
            depth=event.depth + 1,
            prev_events=[event],
            auth_events=[event],
            signing_key=self._signing_key,
            server_name=self._handshakes.server_name,
            random=self._random.token_bytes,
        )
