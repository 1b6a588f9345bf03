"""Which rooms users are joined to, users of other servers too: remembered, and kept up to date by what is committed."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final

from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append, Listener
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.rooms import Rooms
from ranvier.store import joined_rooms
from ranvier.store import rooms as store
from ranvier.store.rooms import JOIN

USERS: Final = 50_000
AT_ONCE: Final = 100
_EVERYBODY: Final = ""


class Whereabouts:
    """Rooms by user. `on_commit` has to be a listener of the appender, behind that of `Hosts`."""

    def __init__(self, *, rooms: Rooms, hosts: Hosts, server_name: str) -> None:
        self._rooms = rooms
        self._hosts = hosts
        self._server_name = server_name
        self.listeners: list[Listener] = []
        """Told of what is committed, if anybody moves."""
        self._known: OrderedDict[str, set[int]] = OrderedDict()
        self._loading: list[set[str]] = []
        """For each load under way, who has moved meanwhile."""

    def known(self, user_id: str) -> Collection[int] | None:
        """The numbers of the rooms that a user is joined to, if that is in memory. Not to be changed."""
        return self._known.get(user_id)

    async def of(self, user_id: str) -> Collection[int]:
        """The numbers of the rooms that a user is joined to, as far as this server knows. Not to be changed.

        One or two statements the first time, then none.
        """
        known = self._known.get(user_id)
        if known is not None:
            self._known.move_to_end(user_id)
            return known
        moved = set[str]()
        self._loading.append(moved)
        try:
            found = await self._load(user_id)
        finally:
            self._loading = [other for other in self._loading if other is not moved]
        if moved.isdisjoint((user_id, _EVERYBODY)):
            self._known[user_id] = found
            if len(self._known) > USERS:
                self._known.popitem(last=False)
        return found

    async def servers_of(self, user_id: str) -> frozenset[str]:
        """The servers that share a room with a user. No statement for rooms that are in memory."""
        found: set[str] = set()
        for room_nid in list(await self.of(user_id)):
            found.update(await self.servers_in(room_nid))
        return frozenset(found)

    async def meets_us(self, user_id: str) -> bool:
        """Whether a user shares a room with a user of this server."""
        for room_nid in list(await self.of(user_id)):
            if self._server_name in await self.servers_in(room_nid):
                return True
        return False

    async def who_meets_us(self, user_ids: Collection[str]) -> set[str]:
        """Those who share a room with a user of this server. One statement for a hundred who are not in memory."""
        found = {user_id: rooms for user_id in user_ids if (rooms := self._known.get(user_id)) is not None}
        missing = [user_id for user_id in user_ids if user_id not in found]
        for start in range(0, len(missing), AT_ONCE):
            found |= await self._load_others(missing[start : start + AT_ONCE])
        ours: dict[int, bool] = {}
        for room_nid in set().union(*found.values()):
            ours[room_nid] = self._server_name in await self.servers_in(room_nid)
        return {user_id for user_id, rooms in found.items() if any(ours.get(room_nid, False) for room_nid in rooms)}

    def on_commit(self, batch: Sequence[Append]) -> None:
        """A listener of the appender. Costs next to nothing where nobody moves."""
        for append in batch:
            if append.members or append.redescribe:
                self._move(batch)
                for listener in self.listeners:
                    listener(batch)
                break

    def _move(self, batch: Sequence[Append]) -> None:
        for append in batch:
            room_nid = append.room.room_nid
            if _begins_anew(append):
                self._begin_anew()
            for change in append.members:
                for moved in self._loading:
                    moved.add(change.user_id)
                rooms = self._known.get(change.user_id)
                if rooms is not None:
                    if change.membership == JOIN:
                        rooms.add(room_nid)
                    else:
                        rooms.discard(room_nid)

    async def _load_others(self, user_ids: list[str]) -> dict[str, set[int]]:
        """Users of other servers."""
        moved = set[str]()
        self._loading.append(moved)
        try:
            rooms = await joined_rooms.of_users(self._rooms.db, user_ids)
        finally:
            self._loading = [other for other in self._loading if other is not moved]
        found = {user_id: rooms.get(user_id, set()) for user_id in user_ids}
        if _EVERYBODY not in moved:
            self._known.update((user_id, of) for user_id, of in found.items() if user_id not in moved)
        while len(self._known) > USERS:
            self._known.popitem(last=False)
        return found

    async def _load(self, user_id: str) -> set[int]:
        db = self._rooms.db
        user_nid = await self._rooms.keys.find_user(db, user_id)
        if user_nid is None:
            return set()
        if domain_of(user_id) == self._server_name:
            memberships = await store.memberships_of(db, user_nid)
            return {entry.room_nid for entry in memberships if entry.membership == JOIN}
        return set(await joined_rooms.of_user(db, user_nid))

    def known_servers(self, room_nid: int) -> Collection[str] | None:
        """The servers in a room, if that is in memory."""
        return self._hosts.known(room_nid)

    async def servers_in(self, room_nid: int) -> Collection[str]:
        """The servers in a room. Mostly no statement."""
        known = self._hosts.known(room_nid)
        return known if known is not None else await self._hosts.in_room(room_nid)

    def _begin_anew(self) -> None:
        """Not every member of the room may be told of: forget whoever could be in it."""
        for moved in self._loading:
            moved.add(_EVERYBODY)
        self._known.clear()


def _begins_anew(append: Append) -> bool:
    """Whether this server comes into the room with it; of the other members nothing is told then."""
    return append.redescribe and append.is_from_elsewhere and not append.sends
