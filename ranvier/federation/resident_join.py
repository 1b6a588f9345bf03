"""A user of another server joins a room through this one.

Spec: server-server API, `/send_join` (both versions), "Restricted rooms".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from ranvier.federation.resident_events import HandedIn
from ranvier.federation.resident_omitting import StateWithoutMembers
from ranvier.federation.resident_restricted import Conditions
from ranvier.federation.resident_rooms import ResidentRooms
from ranvier.federation.resident_state import StateBefore, ToldEvents
from ranvier.proto.errors import MatrixError
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.events import Event
from ranvier.proto.handshakes.countersign import countersign
from ranvier.proto.signing import SigningKey, authorising_server

_OPENING: Final = b'{"origin":'


class ResidentJoins:
    """Takes joins in."""

    def __init__(
        self,
        *,
        resident: ResidentRooms,
        handed_in: HandedIn,
        conditions: Conditions,
        states: StateBefore,
        omitting: StateWithoutMembers,
        server_name: str,
        signing_key: SigningKey,
    ) -> None:
        self._resident = resident
        self._handed_in = handed_in
        self._conditions = conditions
        self._states = states
        self._omitting = omitting
        self._server_name = server_name
        self._signing_key = signing_key

    async def send(
        self, origin: str, room_id: str, event_id: str, pdu: Mapping[str, Any], *, omit_members: bool
    ) -> bytes:
        """Take the join in; the body of the answer. Taking it in again answers the same.

        `omit_members`: the other server can do without most member events, and without events that are there twice.
        Raises 404 if we are not in the room, 403 for servers that its ACL refuses, then as `HandedIn.read`; for
        restricted rooms as `Conditions.check`; 403 if the room does not let the user in.
        """
        room = await self._resident.room(room_id, origin)
        event, authoriser_signed = await self._handed_in.read(
            room, pdu, event_id=event_id, membership="join", origin=origin
        )
        if authorising_server(event) == self._server_name:
            # Our signature is the promise that a condition is fulfilled, whatever template the event was made from.
            await self._conditions.check(room, event.sender)
            authoriser_signed = True
        event = self._countersign(event)
        stored = await self._handed_in.take(room, event, origin=origin, authoriser_signed=authoriser_signed)
        if omit_members:
            told = await self._omitting.of(room, stored)
        else:
            told = await self._states.of(room, stored)
        return self._answer(event, told)

    def _answer(self, event: Event, told: ToldEvents) -> bytes:
        """All in one go: the state of a large room is some hundred megabytes."""
        omitted = b"false" if told.servers is None else b'true,"servers_in_room":' + told.servers
        return b"".join(
            (
                _OPENING, orjson.dumps(self._server_name), b',"members_omitted":', omitted,
                b',"state":[', *_with_commas(told.state), b'],"auth_chain":[', *_with_commas(told.auth_chain),
                b'],"event":', event.json, b"}",
            )
        )  # fmt: skip

    def _countersign(self, event: Event) -> Event:
        try:
            return countersign(event, self._server_name, self._signing_key)
        except InvalidEvent as error:
            raise MatrixError(413, "M_TOO_LARGE", str(error)) from error


def _with_commas(events: Sequence[bytes]) -> Iterator[bytes]:
    for number, event in enumerate(events):
        if number:
            yield b","
        yield event
