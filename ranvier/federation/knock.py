"""A local user knocks on a room through another server.

Spec: server-server API, "Knocking upon a room".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ranvier.federation.handshake import Handshakes
from ranvier.federation.keys import ServerKeys
from ranvier.federation.residents import ask_each
from ranvier.federation.told import sound_told_state
from ranvier.rooms.outside_membership import OutsideMemberships


class RemoteKnocks:
    """Knocks by handshake."""

    def __init__(self, *, handshakes: Handshakes, keys: ServerKeys, outside: OutsideMemberships) -> None:
        self._handshakes = handshakes
        self._keys = keys
        self._outside = outside

    async def knock(self, user_id: str, room_id: str, servers: Sequence[str], content: Mapping[str, Any]) -> None:
        """Knock with this content of the member event. The servers are asked in order. Raises as `RemoteJoins.join`."""

        async def through(server: str) -> None:
            template = await self._handshakes.make(server, "knock", room_id, user_id)
            event = self._handshakes.complete(template, content)
            answer = await self._handshakes.send(server, "knock", event)
            told = await sound_told_state(self._keys, answer.get("knock_room_state"), event.version, room_id)
            await self._outside.save(event, event.version, state=told.entries)

        await ask_each(servers, through)
