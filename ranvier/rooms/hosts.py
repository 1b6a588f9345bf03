"""The servers in a room: those with joined members, now and at earlier times.

Counted from the current state once (one statement for a room of up to 4,096 members), and kept up to date by what the
appender commits. Every count knows what it has seen already: a change is neither missed nor counted twice, whether it
is committed before, after or while the room is being read.
"""

import asyncio
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from sys import intern
from typing import Final

from ranvier.ports import Clock
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import room_hosts
from ranvier.store.rooms import JOIN
from ranvier.store.state_keys import MEMBER_KEYS

ROOMS: Final = 10_000
NAMES: Final = 500_000
"""Servers that all rooms together may hold in memory."""
PAGE: Final = 4096
PAST_STATES: Final = 1024
PAST_NAMES: Final = 100_000


class Hosts:
    """The servers of each room. `on_commit` has to be a listener of the appender."""

    def __init__(self, *, rooms: Rooms, clock: Clock) -> None:
        self._rooms = rooms
        self._clock = clock
        self._counted: OrderedDict[int, _Counts] = OrderedDict()
        self._names = 0
        self._loading: dict[int, _Loading] = {}
        self._past: OrderedDict[tuple[int, int], frozenset[str]] = OrderedDict()
        self._past_names = 0

    def known(self, room_nid: int) -> frozenset[str] | None:
        """The servers in the room as it was last committed, `None` if that is not in memory."""
        counts = self._counted.get(room_nid)
        return None if counts is None else self._and_told(room_nid, counts.names())

    async def of(self, room: Room) -> frozenset[str]:
        """The servers in the room as it was last committed, this one among them. Mostly no statement."""
        return await self.in_room(room.room_nid)

    async def in_room(self, room_nid: int) -> frozenset[str]:
        """The same for the room with this number, which need not be active."""
        return self._and_told(room_nid, (await self._counts(room_nid)).names())

    async def at(self, room: Room, state_no: int) -> frozenset[str]:
        """The servers in the room when its state was this. Costs by how far that is from the current one."""
        counts = await self._counts(room.room_nid)
        if counts.is_uneven and room.pending:
            await room.settled()
        if state_no == counts.state_no:
            return self._and_told(room.room_nid, counts.names())
        past = self._past.get((room.room_nid, state_no))
        if past is None:
            known = counts.names()
            past = await self._differing(room, dict(counts.joined), counts.state_no, state_no)
            if past == known:
                past = known
            self._remember_past((room.room_nid, state_no), past)
        return self._and_told(room.room_nid, past)

    def _and_told(self, room_nid: int, names: frozenset[str]) -> frozenset[str]:
        """Of a partially joined room also those servers that we were told of when we joined (MSC3706)."""
        told = self._rooms.partials.told_servers(room_nid)
        return names | told if told else names

    def forget(self, room_nid: int) -> None:
        """What is in memory of this room does not hold any more."""
        counts = self._counted.pop(room_nid, None)
        if counts is not None:
            self._names -= counts.size
        if room_nid in self._loading:
            self._loading[room_nid].is_stale = True

    def on_commit(self, batch: Sequence[Append]) -> None:
        """A listener of the appender."""
        for append in batch:
            room_nid = append.room.room_nid
            if append.new_room is not None:
                self._remember(room_nid, _Counts())
            if append.redescribe:
                # The room may have begun anew, of which not every change of a membership is told.
                self.forget(room_nid)
            elif room_nid in self._loading:
                self._loading[room_nid].missed.append(append)
            else:
                counts = self._counted.get(room_nid)
                if counts is not None:
                    counts.apply(append)

    async def _counts(self, room_nid: int) -> "_Counts":
        counts = self._counted.get(room_nid)
        if counts is not None:
            self._counted.move_to_end(room_nid)
            return counts
        loading = self._loading.get(room_nid)
        if loading is None:
            loading = self._loading[room_nid] = _Loading()
            loading.task = asyncio.create_task(self._load(room_nid, loading), name="hosts")
        assert loading.task is not None
        return await asyncio.shield(loading.task)

    async def _load(self, room_nid: int, loading: "_Loading") -> "_Counts":
        try:
            while True:
                counts = await self._count(room_nid)
                if not loading.is_stale:
                    break
                loading.is_stale = False
                loading.missed = []
        finally:
            del self._loading[room_nid]
        for append in loading.missed:
            counts.apply(append)
        self._remember(room_nid, counts)
        return counts

    async def _count(self, room_nid: int) -> "_Counts":
        counts = _Counts()
        after_key = MEMBER_KEYS - 1
        while True:
            page = await room_hosts.count(self._rooms.db, room_nid, after_key=after_key, limit=PAGE)
            if page is not None:
                counts.add(page)
            if page is None or page.entries < PAGE:
                return counts
            after_key = page.last_key
            await self._clock.sleep(0)  # Reading may not have let others go on.

    def _remember(self, room_nid: int, counts: "_Counts") -> None:
        self._counted[room_nid] = counts
        counts.size = len(counts.joined)
        self._names += counts.size
        while len(self._counted) > ROOMS or (self._names > NAMES and len(self._counted) > 1):
            _, oldest = self._counted.popitem(last=False)
            self._names -= oldest.size

    def _remember_past(self, state: tuple[int, int], servers: frozenset[str]) -> None:
        if state not in self._past:
            self._past[state] = servers
            self._past_names += len(servers)
        while len(self._past) > PAST_STATES or (self._past_names > PAST_NAMES and len(self._past) > 1):
            _, oldest = self._past.popitem(last=False)
            self._past_names -= len(oldest)

    async def _differing(self, room: Room, joined: dict[str, int], known_no: int, state_no: int) -> frozenset[str]:
        difference = await room.history.difference(known_no, state_no)
        members = [(key_id, *pair) for key_id, pair in difference.items() if key_id >= MEMBER_KEYS]
        for start in range(0, len(members), PAGE):
            page = members[start : start + PAGE]
            keys = await self._rooms.keys.keys(self._rooms.db, [key_id for key_id, _, _ in page])
            events = await self._rooms.cache.get([nid for _, *pair in page for nid in pair if nid])
            is_join = {nid: stored.event.membership == "join" for nid, stored in events.items()}
            for key_id, now, then in page:
                change = is_join.get(then, False) - is_join.get(now, False)
                if change and key_id in keys:
                    _add(joined, domain_of(keys[key_id][1]), change)
            await self._clock.sleep(0)
        return frozenset(joined)


class _Loading:
    """A room that is being counted."""

    __slots__ = ("is_stale", "missed", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[_Counts] | None = None
        self.missed: list[Append] = []
        """What was committed meanwhile."""
        self.is_stale = False


class _Counts:
    """Joined members by server."""

    __slots__ = ("_frozen", "_pages", "_pos", "is_uneven", "joined", "size", "state_no")

    def __init__(self) -> None:
        self.joined: dict[str, int] = {}
        self.state_no = 0
        self.is_uneven = False
        """Whether parts of it may have been counted at different times."""
        self.size = 0
        """What it counted for when it was remembered."""
        self._pos = 0
        self._pages: list[tuple[int, int]] = []
        """`(greatest user number, position of the room when they were counted)`."""
        self._frozen: frozenset[str] | None = None

    def names(self) -> frozenset[str]:
        """The servers; the same object until they change."""
        if self._frozen is None:
            self._frozen = frozenset(self.joined)
        return self._frozen

    def add(self, page: room_hosts.Page) -> None:
        """A further part of the members."""
        for server, joined in page.joined.items():
            _add(self.joined, server, joined)
        self._pages.append((page.last_key, page.last_pos))
        self.is_uneven = self.is_uneven or (len(self._pages) > 1 and page.last_pos != self._pos)
        self._pos = page.last_pos
        self.state_no = page.state_no

    def apply(self, append: Append) -> None:
        """What has been committed, if it has not been counted."""
        for change in append.members:
            joined = (change.membership == JOIN) - (change.previous == JOIN)
            pos = change.by.pos
            if joined and pos is not None and pos > self._counted_at(change.user_nid):
                names = len(self.joined)
                _add(self.joined, domain_of(change.user_id), joined)
                if len(self.joined) != names:
                    self._frozen = None
        if append.head is not None and append.head.last_pos > self._pos:
            self._pos = append.head.last_pos
            self.state_no = append.head.state_no

    def _counted_at(self, user_nid: int) -> int:
        """The position that the user's membership was read at."""
        if not self._pages:
            return 0
        page = bisect_left(self._pages, (user_nid, 0))
        return self._pages[min(page, len(self._pages) - 1)][1]


def _add(joined: dict[str, int], server: str, count: int) -> None:
    left = joined.get(server, 0) + count
    if left > 0:
        joined[intern(server)] = left  # Many rooms hold the same names.
    else:
        joined.pop(server, None)
