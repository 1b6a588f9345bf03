"""A user of another server leaves a room, turns down an invitation or takes back a knock, through this server.

Spec: server-server API, `/send_leave` (both versions).
"""

from collections.abc import Mapping
from typing import Any

from ranvier.federation.resident_events import HandedIn
from ranvier.federation.resident_rooms import ResidentRooms


class ResidentLeaves:
    """Takes leaves in."""

    def __init__(self, *, resident: ResidentRooms, handed_in: HandedIn) -> None:
        self._resident = resident
        self._handed_in = handed_in

    async def send(self, origin: str, room_id: str, event_id: str, pdu: Mapping[str, Any]) -> None:
        """Take the leave in. Raises as `ResidentJoins.send`."""
        room = await self._resident.room(room_id, origin)
        event, _ = await self._handed_in.read(room, pdu, event_id=event_id, membership="leave", origin=origin)
        await self._handed_in.take(room, event, origin=origin)
