"""The user directory made anew, portion by portion, as a background update.

Manual: "User Directory", `regenerate_directory`. Who is listed stays listed meanwhile; whoever is nowhere any more goes at
the end.
"""

from typing import Any, Final

from ranvier.rooms.directory_index import DirectoryIndex
from ranvier.rooms.rooms import Rooms
from ranvier.store import user_directory as store
from ranvier.users.background_updates import Portion

POPULATE: Final = "populate_user_directory"


class DirectoryRebuild:
    """One portion at a time: local users, then the members of each room, then those who are in none."""

    def __init__(self, *, rooms: Rooms, index: DirectoryIndex) -> None:
        self._rooms = rooms
        self._index = index

    async def update(self, progress: dict[str, Any], size: int) -> Portion:
        """A background update, of at most `size` people at a time."""
        stage = progress.get("stage", "users")
        if stage == "users":
            return await self._users(progress.get("after", ""), size)
        if stage == "rooms":
            return await self._room(progress["room"], progress["member"], size)
        return await self._gone(progress["after"], size)

    async def _users(self, after: str, size: int) -> Portion:
        user_ids = await store.profiles_after(self._rooms.db, after, size)
        if user_ids:
            async with self._rooms.db.write() as tx:
                await store.forget_indexed(tx, user_ids)
            await self._index.write()
        if len(user_ids) == size:
            return Portion({"stage": "users", "after": user_ids[-1]}, len(user_ids))
        return await self._next_room(0, len(user_ids))

    async def _room(self, room_nid: int, member: int, size: int) -> Portion:
        last = await self._index.index_room(room_nid, member, limit=size)
        if last is not None:
            return Portion({"stage": "rooms", "room": room_nid, "member": last}, size)
        return await self._next_room(room_nid, 1)

    async def _next_room(self, room_nid: int, items: int) -> Portion:
        following = await store.room_after(self._rooms.db, room_nid)
        if following is None:
            return Portion({"stage": "gone", "after": ""}, items)
        return Portion({"stage": "rooms", "room": following, "member": 0}, items)

    async def _gone(self, after: str, size: int) -> Portion:
        user_ids, gone = await store.remote_after(self._rooms.db, after, size)
        if gone:
            async with self._rooms.db.write() as tx:
                await store.delete(tx, gone)
        done = len(user_ids) < size
        return Portion(None if done else {"stage": "gone", "after": user_ids[-1]}, len(user_ids))
