"""Member events that other servers hand in to a room that this server is in.

Spec: server-server API, `/send_join`, `/send_knock`, `/send_leave`: checked, taken into the room, passed on to the other
servers in it.
"""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from ranvier.federation.keys import ServerKeys
from ranvier.federation.resident_rooms import ResidentRooms
from ranvier.proto.errors import forbidden, invalid_param
from ranvier.proto.events import Event
from ranvier.proto.handshakes.member_request import check_own_membership, read_member_request
from ranvier.rooms.accept import Accepting, Arrival
from ranvier.rooms.room import Room
from ranvier.store.events import ACCEPTED, StoredEvent


class Forward(Protocol):
    """Sends an event of another server on, to servers that it does not send it to itself."""

    def send_event(self, stored: StoredEvent, destinations: Collection[str]) -> None:
        """Queue it."""
        ...


class HandedIn:
    """Takes in such events."""

    def __init__(self, *, keys: ServerKeys, accepting: Accepting, resident: ResidentRooms, forward: Forward) -> None:
        self._keys = keys
        self._accepting = accepting
        self._resident = resident
        self._forward = forward

    async def read(
        self, room: Room, pdu: Mapping[str, Any], *, event_id: str, membership: str, origin: str
    ) -> tuple[Event, bool]:
        """The event, and whether the server of the user who authorised a join has signed it.

        Raises 400 `M_INVALID_PARAM`, also for bad signatures, `M_BAD_JSON`, or 413.
        """
        event = read_member_request(
            pdu, room.version, room_id=room.room_id, event_id=event_id, membership=membership, origin=origin
        )
        check_own_membership(event)
        (verdict,) = await self._keys.verify_events([event])
        if verdict.error is not None:
            raise invalid_param(f"signatures: {verdict.error}")
        return event, verdict.authoriser_signed

    async def take(self, room: Room, event: Event, *, origin: str, authoriser_signed: bool = True) -> StoredEvent:
        """Take the event in and pass it on; doing so again changes nothing.

        Raises 403 `M_FORBIDDEN` if the room's rules do not allow it, 400 `M_INVALID_PARAM` if it stands on events that
        nobody here knows.
        """
        arrival = Arrival(event=event, authoriser_signed=authoriser_signed)
        (stored,) = await self._accepting.accept(room.room_id, [arrival])
        if stored is None:
            raise invalid_param("prev_events, auth_events: unknown events")
        if stored.status != ACCEPTED:
            raise forbidden("The room does not allow this")
        self._forward.send_event(stored, [name for name in await self._resident.others(room) if name != origin])
        return stored
