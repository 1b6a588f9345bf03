"""A user of another server knocks on a room through this one.

Spec: server-server API, `/send_knock`.
"""

from collections.abc import Mapping
from typing import Any

from ranvier.federation.resident_events import HandedIn
from ranvier.federation.resident_rooms import ResidentRooms


class ResidentKnocks:
    """Takes knocks in."""

    def __init__(self, *, resident: ResidentRooms, handed_in: HandedIn) -> None:
        self._resident = resident
        self._handed_in = handed_in

    async def send(self, origin: str, room_id: str, event_id: str, pdu: Mapping[str, Any]) -> list[bytes]:
        """Take the knock in; what the user is told about the room, as full events. Raises as `ResidentJoins.send`."""
        room = await self._resident.room(room_id, origin)
        event, _ = await self._handed_in.read(room, pdu, event_id=event_id, membership="knock", origin=origin)
        await self._handed_in.take(room, event, origin=origin)
        return [entry.json for entry in self._resident.at_door(room)]
