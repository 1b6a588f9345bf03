"""The rooms that two users are both in. Spec: client-server API, "Mutual Rooms"."""

import re
from dataclasses import dataclass
from typing import Final

from ranvier.proto.errors import invalid_param
from ranvier.proto.ids import is_compliant_user_id
from ranvier.rooms.rooms import Rooms
from ranvier.store import rooms as store
from ranvier.store.rooms import JOIN
from ranvier.users.requester import Requester

LIMIT: Final = 1000

_TOKEN: Final = re.compile(r"m([0-9]{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class SharedRooms:
    """A part of the rooms, and how many there are."""

    room_ids: list[str]
    count: int
    next_batch: str | None


class MutualRooms:
    """Compares memberships."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms

    async def page(self, requester: Requester, user_id: str, since: str | None) -> SharedRooms:
        """The rooms in which both are, at most `LIMIT` of them, those that are known the longest first.

        Raises 400 `M_INVALID_PARAM`. Three statements, however many rooms there are; for unknown users none.
        """
        if user_id == requester.user_id or not is_compliant_user_id(user_id):
            raise invalid_param("user_id: expected the id of another user")
        after = _number(since)
        shared = sorted(await self._shared(requester.user_id, user_id))
        later = [room_nid for room_nid in shared if room_nid > after]
        part = later[:LIMIT]
        ids = await store.room_ids(self._rooms.db, part) if part else {}
        return SharedRooms(
            [ids[room_nid] for room_nid in part],
            len(shared),
            f"m{part[-1]}" if len(later) > len(part) else None,
        )

    async def _shared(self, user_id: str, other_id: str) -> list[int]:
        user_nid = await self._rooms.keys.find_user(self._rooms.db, user_id)
        other_nid = await self._rooms.keys.find_user(self._rooms.db, other_id)
        if user_nid is None or other_nid is None:
            return []
        mine = await store.memberships_of(self._rooms.db, user_nid)
        joined = [entry.room_nid for entry in mine if entry.membership == JOIN]
        return await store.rooms_with(self._rooms.db, joined, other_nid) if joined else []


def _number(token: str | None) -> int:
    if token is None:
        return 0
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise invalid_param("from: not a token of this server")
    return int(found[1])
