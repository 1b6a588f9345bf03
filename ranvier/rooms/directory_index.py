"""Keeps the user directory up to date: local users by their profiles, others by their memberships.

What happens is only noted while it happens, in memory; no message, join or leave costs a statement here. It is written
before the next search, and now and then. What a crash takes from memory is read again from the rooms' timelines.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ranvier.db.engine import DatabaseError, Tx
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of, is_compliant_user_id, localpart_of
from ranvier.proto.name_search import searched, tokens
from ranvier.rooms.append import Append
from ranvier.rooms.rooms import Rooms
from ranvier.store import destinations
from ranvier.store import user_directory as store
from ranvier.store.events import POS_BITS
from ranvier.store.rooms import JOIN
from ranvier.store.user_directory import Listed

logger = logging.getLogger(__name__)

BATCH: Final = 500
LOOK_EVERY_S: Final = 10.0
WRITE_EVERY: Final = 30
"""So often as that is looked what is there to do, is it written down."""
MOST_NOTED: Final = 5_000
_FIELDS: Final = msgspec.json.Decoder(dict[str, Any])


class DirectoryIndex:
    """`on_commit` is a listener of the appender, `step` one of its steps; `run` writes now and then."""

    def __init__(self, *, rooms: Rooms, clock: Clock, server_name: str, committed_pos: int) -> None:
        self._rooms = rooms
        self._clock = clock
        self._server_name = server_name
        self._committed_pos = committed_pos
        self._saved_pos = -1
        self._members: dict[str, int] = {}
        """Users of other servers who have come into a room, or have another name: the numbers of their events."""
        self._has_rooms = True
        """Whether there may be rooms whose members have become known all at once."""
        self._writing = asyncio.Lock()

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Note who has come, or is called differently."""
        for append in batch:
            for entry in append.events:
                self._committed_pos = max(self._committed_pos, entry.stored.stream_pos)
            for change in append.members:
                if change.membership == JOIN and not change.is_local:
                    self._members[change.user_id] = change.event_nid
            if append.is_from_elsewhere and _is_arrival(append):
                self._has_rooms = True

    async def step(self, tx: Tx, batch: Sequence[Append]) -> None:
        """Queue rooms whose members become known all at once. No statement for everything else."""
        for append in batch:
            if append.is_from_elsewhere and _is_arrival(append):
                await store.queue_rooms(tx, [append.room.room_nid])

    async def write(self) -> None:
        """Bring the directory up to date with all that has been noted. One statement if nothing has."""
        async with self._writing:
            await self._write_members()
            await self._write_profiles()

    async def finish(self) -> None:
        """Write everything down before the server stops."""
        try:
            await self.write()
            await self._save_pos()
        except DatabaseError:
            logger.warning("The user directory could not be written; it is brought up to date at the next start")

    async def run(self) -> None:
        """Catch up with what happened before a crash, then write now and then, until cancelled."""
        await self._retried(self._catch_up)
        looks = 0
        while True:
            if self._has_rooms:
                await self._retried(self._write_rooms)
            if len(self._members) > MOST_NOTED or looks % WRITE_EVERY == WRITE_EVERY - 1:
                await self._retried(self._write_all)
            looks += 1
            await self._clock.sleep(LOOK_EVERY_S)

    async def index_members(self, members: Mapping[str, int]) -> None:
        """List users of other servers by the events (numbers) that say what they are called."""
        stored = await self._rooms.cache.get(set(members.values()))
        found = []
        for user_id, event_nid in members.items():
            event = stored.get(event_nid)
            if event is not None and event.event.state_key == user_id:
                found.append(self._listed(user_id, event.event.content))
        await self._save(found)

    async def _write_all(self) -> None:
        await self.write()
        await self._save_pos()

    async def _write_members(self) -> None:
        while self._members:
            noted = dict(list(self._members.items())[:BATCH])
            await self.index_members({user_id: nid for user_id, nid in noted.items() if self._is_elsewhere(user_id)})
            for user_id, event_nid in noted.items():
                if self._members.get(user_id) == event_nid:
                    del self._members[user_id]

    async def _write_profiles(self) -> None:
        while True:
            profiles = await store.changed_profiles(self._rooms.db, BATCH)
            if not profiles:
                return
            found = [self._listed(user_id, _FIELDS.decode(fields)) for user_id, fields in profiles]
            await self._save(found, profiles)

    async def _write_rooms(self) -> None:
        """Look at the members of rooms that have become known all at once."""
        while (queued := await store.queued_room(self._rooms.db)) is not None:
            room_nid, after = queued
            last = await self.index_room(room_nid, after)
            async with self._rooms.db.write() as tx:
                await store.move_on(tx, room_nid, after, last)
            await self._clock.sleep(0.01)
        self._has_rooms = False

    async def index_room(self, room_nid: int, after: int, *, limit: int = BATCH) -> int | None:
        """List the next members of a room from elsewhere; the number of the last, `None` if there are no more."""
        members = await store.joined_after(self._rooms.db, room_nid, after, limit)
        await self.index_members({user_id: nid for _, user_id, nid in members if self._is_elsewhere(user_id)})
        return members[-1][0] if len(members) == limit else None

    async def _save(self, found: Sequence[Listed], profiles: Sequence[tuple[str, bytes]] = ()) -> None:
        """List people; whoever is listed so already costs nothing but the look."""
        known = await store.of_users(self._rooms.db, [one.user_id for one in found]) if found else {}
        changed = [(one, tokens(one.words)) for one in found if known.get(one.user_id) != one]
        if not changed and not profiles:
            return
        async with self._rooms.db.write() as tx:
            if changed:
                await store.save(tx, changed)
            await store.mark_indexed(tx, profiles)

    async def _catch_up(self) -> None:
        """Note what happened after the directory was written last."""
        pos = await store.stream_pos(self._rooms.db)
        if pos is None:
            pos = self._committed_pos
        if pos < self._committed_pos:
            for room_nid in await destinations.rooms_after(self._rooms.db, pos << POS_BITS):
                rows = await store.member_events_after(self._rooms.db, room_nid, ((pos + 1) << POS_BITS) - 1)
                for stored in await self._rooms.cache.from_rows(rows):
                    event = stored.event
                    if event.membership == "join" and event.state_key is not None:
                        self._members.setdefault(event.state_key, stored.event_nid)
                await self._clock.sleep(0)  # Reading may not have let others go on.
        self._saved_pos = pos

    async def _save_pos(self) -> None:
        pos = self._committed_pos
        if pos == self._saved_pos or self._members:
            return
        async with self._rooms.db.write() as tx:
            await store.save_stream_pos(tx, pos)
        self._saved_pos = pos

    async def _retried(self, work: Callable[[], Awaitable[None]]) -> None:
        """What a database could not do now is done another time."""
        try:
            await work()
        except DatabaseError as error:
            logger.warning("The user directory could not be brought up to date: %s", error)

    def _is_elsewhere(self, user_id: str) -> bool:
        return is_compliant_user_id(user_id) and domain_of(user_id) != self._server_name

    def _listed(self, user_id: str, fields: Mapping[str, object]) -> Listed:
        name = _text(fields.get("displayname"))
        return Listed(
            user_id=user_id,
            is_local=domain_of(user_id) == self._server_name,
            display_name=name,
            avatar_url=_text(fields.get("avatar_url")),
            words=searched(name or "", localpart_of(user_id)),
        )


def _is_arrival(append: Append) -> bool:
    """Whether this, which is from elsewhere, makes members of a room known other than by their own events."""
    if append.makes_full is not None:
        return True
    return any(change.is_local and change.membership == JOIN != change.previous for change in append.members)


def _text(value: object) -> str | None:
    """What a text column can hold of it."""
    if not isinstance(value, str) or not value:
        return None
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
