"""The active rooms: finds each room's one writer, loads it when it is asked for, drops it when it is idle."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final
from weakref import WeakValueDictionary

from ranvier.db.engine import Database
from ranvier.proto.errors import not_found
from ranvier.proto.events import StateKey
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.rooms.at_door import USUAL, AtDoor
from ranvier.rooms.partial_rooms import PartialRooms
from ranvier.rooms.purged_history import PurgedHistory
from ranvier.rooms.room import Room
from ranvier.state.history import RoomHistory
from ranvier.state.layer_cache import LayerCache
from ranvier.store import rooms as store
from ranvier.store.event_cache import EventCache
from ranvier.store.events import StoredEvent
from ranvier.store.rooms import RoomRow
from ranvier.store.state_keys import StateKeys

ACTIVE_ROOMS: Final = 2000
LAYER_ENTRIES: Final = 500_000
"""Entries of past states that all rooms together keep in memory, about 100 bytes each."""


class Rooms:
    """Rooms by id and by number."""

    def __init__(
        self,
        *,
        db: Database,
        keys: StateKeys,
        cache: EventCache,
        last_room_nid: int,
        partials: PartialRooms | None = None,
        purged: PurgedHistory | None = None,
        size: int = ACTIVE_ROOMS,
        at_door: AtDoor = USUAL,
    ) -> None:
        self.db = db
        self.keys = keys
        self.cache = cache
        self.partials = PartialRooms() if partials is None else partials
        self.purged = PurgedHistory() if purged is None else purged
        self.at_door = at_door
        self.layers = LayerCache(LAYER_ENTRIES)
        self.size = size
        """How many rooms stay active, if they are idle."""
        self._next_nid = last_room_nid + 1
        self._by_nid: dict[int, Room] = {}
        self._nids: dict[str, int] = {}
        self._loading: dict[str | int, asyncio.Future[Room | None]] = {}
        self._entering: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def new_nid(self) -> int:
        """A number for a room that is about to exist."""
        nid = self._next_nid
        self._next_nid = nid + 1
        return nid

    def entering(self, room_id: str) -> asyncio.Lock:
        """Held by whoever makes a room known that perhaps is not yet."""
        lock = self._entering.get(room_id)
        if lock is None:
            lock = self._entering[room_id] = asyncio.Lock()
        return lock

    def __len__(self) -> int:
        """How many rooms are in memory."""
        return len(self._by_nid)

    async def get(self, room_id: str) -> Room:
        """The room. Raises 404 `M_NOT_FOUND` if we do not know it. No statement if it is active."""
        room = await self.find(room_id)
        if room is None:
            raise not_found("Unknown room")
        return room

    async def find(self, room_id: str) -> Room | None:
        """The room, or `None` if we do not know it."""
        nid = self._nids.get(room_id)
        if nid is not None:
            return self._by_nid[nid]
        if "\0" in room_id:  # No room has such an id, and PostgreSQL cannot be asked for it.
            return None
        return await self._once(room_id, lambda: store.by_id(self.db, room_id))

    async def by_nid(self, room_nid: int) -> Room:
        """The room with this number, which must exist."""
        room = self._by_nid.get(room_nid)
        if room is None:
            room = await self._once(room_nid, lambda: store.by_nid(self.db, room_nid))
        if room is None:
            raise not_found("Unknown room")
        return room

    async def load_many(self, room_nids: Collection[int]) -> None:
        """Load those of these rooms that are not active. Four statements, whatever their number."""
        missing = [nid for nid in room_nids if nid not in self._by_nid and nid not in self._loading]
        if not missing:
            return
        loop = asyncio.get_running_loop()
        futures: dict[int, asyncio.Future[Room | None]] = {nid: loop.create_future() for nid in missing}
        for nid, future in futures.items():
            self._loading[nid] = future
        try:
            rooms = await self._load(await store.heads(self.db, missing))
        except BaseException as error:
            for future in futures.values():
                future.set_exception(error)
                future.exception()  # Seen: nobody may be waiting.
            raise
        else:
            for nid, future in futures.items():
                future.set_result(rooms.get(nid))
        finally:
            for nid in missing:
                del self._loading[nid]

    async def know_members(self, wanted: Mapping[int, Collection[str]]) -> None:
        """Let active rooms remember users' member events, by room. One statement, or none."""
        unknown = {
            room_nid: {user_id for user_id in user_ids if not self._by_nid[room_nid].knows_member(user_id)}
            for room_nid, user_ids in wanted.items()
            if room_nid in self._by_nid
        }
        user_ids = {user_id for missing in unknown.values() for user_id in missing}
        if not user_ids:
            return
        rows = await store.members_among(self.db, [nid for nid, missing in unknown.items() if missing], user_ids)
        found = {(stored.room_nid, stored.event.state_key): stored for stored in await self.cache.from_rows(rows)}
        for room_nid, missing in unknown.items():
            room = self._by_nid.get(room_nid)
            for user_id in missing if room is not None else ():
                if room is not None and not room.knows_member(user_id):
                    room.remember_member(user_id, found.get((room_nid, user_id)))

    def active(self, room_nid: int) -> Room | None:
        """The room with this number if it is active."""
        return self._by_nid.get(room_nid)

    def add(self, room: Room) -> None:
        """A room has become active."""
        while len(self._by_nid) >= self.size and self._drop_idle():
            pass
        room.partial = self.partials.of(room.room_nid)
        self._by_nid[room.room_nid] = room
        self._nids[room.room_id] = room.room_nid
        self.cache.know_room(room.room_nid, room.version)

    def drop(self, room: Room) -> None:
        """Forget what is in memory: the next one who asks loads it from the database."""
        if self._by_nid.get(room.room_nid) is room:
            del self._by_nid[room.room_nid]
            self._nids.pop(room.room_id, None)

    async def member(self, room: Room, user_id: str) -> StoredEvent | None:
        """A user's member event in the current state, remembered by the room. At most two statements, mostly none."""
        if not room.knows_member(user_id):
            stored = None
            key_id = await self.keys.find_user(self.db, user_id)
            if key_id is not None:
                row = await store.current_entry(self.db, room.room_nid, key_id)
                if row is not None:
                    (stored,) = await self.cache.from_rows([row])
            if not room.knows_member(user_id):
                room.remember_member(user_id, stored)
        return room.get_stored(("m.room.member", user_id))

    async def membership(self, room: Room, user_id: str) -> str:
        """A user's current membership, `leave` for strangers."""
        stored = await self.member(room, user_id)
        return "leave" if stored is None else stored.event.membership or "leave"

    def _drop_idle(self) -> bool:
        for room in self._by_nid.values():
            if room.idle:
                self.drop(room)
                return True
        return False

    async def _once(self, key: str | int, read: Callable[[], Awaitable[RoomRow | None]]) -> Room | None:
        """Load a room; whoever asks meanwhile waits for the same load."""
        loading = self._loading.get(key)
        if loading is not None:
            return await asyncio.shield(loading)
        future: asyncio.Future[Room | None] = asyncio.get_running_loop().create_future()
        self._loading[key] = future
        try:
            found = await read()
            room = None if found is None else (await self._load([found]))[found.room_nid]
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # Seen: whoever waits is told, and nobody may be waiting.
            raise
        else:
            future.set_result(room)
            return room
        finally:
            del self._loading[key]

    async def _load(self, rows: Sequence[RoomRow]) -> dict[int, Room]:
        """Three statements, or none if all are active."""
        found = {row.room_nid: self._by_nid[row.room_nid] for row in rows if row.room_nid in self._by_nid}
        rows = [row for row in rows if row.room_nid not in found]
        if not rows:
            return found
        for row in rows:
            self.cache.know_room(row.room_nid, ROOM_VERSIONS[row.room_version])
        room_nids = [row.room_nid for row in rows]
        states: dict[int, dict[StateKey, StoredEvent]] = {nid: {} for nid in room_nids}
        for stored in await self.cache.from_rows(await store.current_state(self.db, room_nids)):
            if stored.event.key is not None:
                states[stored.room_nid][stored.event.key] = stored
        extremities = await self.cache.get([nid for row in rows for nid in row.extremities])
        histories = await RoomHistory.load_many(self.db, room_nids, cache=self.layers)
        for row in rows:
            if row.room_nid not in self._by_nid:
                self.add(_room(row, histories[row.room_nid], extremities, states[row.room_nid]))
            found[row.room_nid] = self._by_nid[row.room_nid]
        return found


def _room(
    row: RoomRow, history: RoomHistory, events: Mapping[int, StoredEvent], state: Mapping[StateKey, StoredEvent]
) -> Room:
    return Room(
        room_nid=row.room_nid,
        room_id=row.room_id,
        version=ROOM_VERSIONS[row.room_version],
        history=history,
        extremities=[events[nid] for nid in row.extremities],
        state=state,
        state_no=row.state_no,
        last_pos=row.last_pos,
        joined_members=row.joined_members,
        invited_members=row.invited_members,
    )
