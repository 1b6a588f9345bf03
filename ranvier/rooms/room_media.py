"""The media that were seen in a room, for administrators. Manual: admin API, "Media"."""

from collections.abc import Mapping
from typing import Any, Final

from ranvier.ports import Clock
from ranvier.proto.canonical_json import NotCanonical, decode_lenient
from ranvier.proto.mxc import Mxc, parse_mxc
from ranvier.rooms.rooms import Rooms
from ranvier.store import raw_events

PORTION: Final = 2_000
"""So many events are looked at in one go."""


class RoomMedia:
    """Looks at every event of a room."""

    def __init__(self, *, rooms: Rooms, clock: Clock) -> None:
        self._rooms = rooms
        self._clock = clock

    async def of(self, room_id: str) -> list[Mxc]:
        """What events that are not encrypted name, each once. Raises 404 for an unknown room."""
        room = await self._rooms.get(room_id)
        found: dict[Mxc, None] = {}
        after = 0
        while True:
            rows = await raw_events.naming(self._rooms.db, room.room_nid, b"mxc://", after_nid=after, limit=PORTION)
            if not rows:
                return list(found)
            after = rows[-1][0]
            for _, json in rows:
                found.update(dict.fromkeys(_named(json)))
            await self._clock.sleep(0)  # Reading may not have let others go on.


def _named(json: bytes) -> list[Mxc]:
    try:
        event = decode_lenient(json)
    except NotCanonical:
        return []
    content = event.get("content") if isinstance(event, Mapping) else None
    if not isinstance(content, Mapping):
        return []
    info: Any = content.get("info")
    uris = [content.get("url"), info.get("thumbnail_url") if isinstance(info, Mapping) else None]
    return [name for uri in uris if isinstance(uri, str) and (name := parse_mxc(uri)) is not None]
