"""What a user has done in rooms, for administrators: where they are, how many they have joined, whom they invite.

Manual: admin API, "List joined rooms", "User statistics". Nothing here is read for anybody else; what looks at many events
does so in portions, and lets others go on between them.
"""

from typing import Final

from ranvier.ports import Clock
from ranvier.proto.ids import is_user_id
from ranvier.rooms.rooms import Rooms
from ranvier.store import account_data, joined_rooms, user_activity
from ranvier.store import rooms as room_store
from ranvier.store.events import greatest_numbers
from ranvier.store.rooms import MEMBERSHIP_NAMES

PORTION: Final = 2_000
"""So many events are looked at in one go."""
LARGEST: Final = 10


class UserActivity:
    """Looks at what users have done."""

    def __init__(self, *, rooms: Rooms, clock: Clock) -> None:
        self._rooms = rooms
        self._clock = clock

    async def joined_rooms(self, user_id: str) -> list[str]:
        """Ids of the rooms that a user, of whatever server, is in as far as we know."""
        user_nid = await self._nid(user_id)
        if user_nid is None:
            return []
        nids = await joined_rooms.of_user(self._rooms.db, user_nid)
        return sorted((await room_store.room_ids(self._rooms.db, nids)).values())

    async def memberships(self, user_id: str) -> dict[str, str]:
        """Of a local user the membership of every room that they have or had to do with."""
        user_nid = await self._nid(user_id)
        if user_nid is None:
            return {}
        found = await room_store.memberships_of(self._rooms.db, user_nid)
        ids = await room_store.room_ids(self._rooms.db, [one.room_nid for one in found])
        return {ids[one.room_nid]: MEMBERSHIP_NAMES[one.membership] for one in found if one.room_nid in ids}

    async def account_data(self, user_id: str) -> tuple[dict[str, bytes], dict[str, dict[str, bytes]]]:
        """What a local user keeps, as JSON by type: globally, and by room."""
        everywhere: dict[str, bytes] = {}
        by_room: dict[str, dict[str, bytes]] = {}
        for datum in await account_data.of_user(self._rooms.db, user_id):
            kept = everywhere if datum.room_id == account_data.GLOBAL else by_room.setdefault(datum.room_id, {})
            kept[datum.type] = datum.content
        return everywhere, by_room

    async def joined_since(self, user_id: str, from_ts: int) -> int:
        """How many rooms a user has come into since then, those that they have left again too."""
        user_nid = await self._nid(user_id)
        if user_nid is None:
            return 0
        rows = await user_activity.joins(self._rooms.db, user_nid)
        stored = await self._rooms.cache.from_rows(rows)
        return len({one.room_nid for one in stored if one.event.origin_server_ts >= from_ts})

    async def invites_since(self, user_id: str, from_ts: int) -> int:
        """How many invitations a user has sent since then. Looks at every membership."""
        if await self._nid(user_id) is None:
            return 0
        last_nid, _ = await greatest_numbers(self._rooms.db)
        count = 0
        for first in range(0, last_nid, PORTION):
            rows = await user_activity.member_events(
                self._rooms.db, after_nid=first, upto_nid=min(first + PORTION, last_nid)
            )
            for stored in await self._rooms.cache.from_rows(rows):
                event = stored.event
                sent = event.sender == user_id and event.membership == "invite"
                count += sent and event.origin_server_ts >= from_ts
            await self._clock.sleep(0)  # Reading may not have let others go on.
        return count

    async def largest_rooms(self) -> list[tuple[str, int]]:
        """The rooms whose events take most, and how many bytes. Looks at every event."""
        sizes: dict[int, int] = {}
        last_nid, _ = await greatest_numbers(self._rooms.db)
        for first in range(0, last_nid, PORTION):
            upto = min(first + PORTION, last_nid)
            for room_nid, size in await user_activity.bytes_by_room(self._rooms.db, after_nid=first, upto_nid=upto):
                sizes[room_nid] = sizes.get(room_nid, 0) + size
            await self._clock.sleep(0)
        largest = sorted(sizes, key=lambda room_nid: (-sizes[room_nid], room_nid))[:LARGEST]
        ids = await room_store.room_ids(self._rooms.db, largest)
        return [(ids[room_nid], sizes[room_nid]) for room_nid in largest if room_nid in ids]

    async def _nid(self, user_id: str) -> int | None:
        if not is_user_id(user_id):
            return None
        return await self._rooms.keys.find_user(self._rooms.db, user_id)
