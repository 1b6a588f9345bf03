"""What those who sync follow: per user the rooms and how far each has come, and who waits for news.

A feed is loaded when its user first syncs and kept up to date by what is committed, so that a sync without news asks the
database nothing. Waiters are woken in the same step in which the news is written down here.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Final

from ranvier.db.engine import Database
from ranvier.rooms.append import Append, MembershipChange
from ranvier.store import rooms as store
from ranvier.store.events import POS_BITS
from ranvier.store.rooms import JOIN, Membership, RoomRow
from ranvier.store.state_keys import StateKeys
from ranvier.sync.marks import Marks
from ranvier.sync.recent import RecentEvents

FEEDS: Final = 20_000


class Feed:
    """One user's view of what has happened."""

    __slots__ = (
        "devices",
        "events",
        "memberships",
        "presence",
        "ready",
        "receipts",
        "typing",
        "user_id",
        "user_nid",
        "waiters",
        "wakes",
    )

    def __init__(self, user_id: str, user_nid: int) -> None:
        self.user_id = user_id
        self.user_nid = user_nid
        self.memberships: dict[int, Membership] = {}
        """By room."""
        self.events: Marks[int] = Marks()
        """By room: the `stream_pos` of the last event that concerns the user."""
        self.receipts: Marks[int] = Marks()
        """By room: the last receipt that they may see."""
        self.typing: Marks[int] = Marks()
        """By room: when it last changed who is typing."""
        self.presence: Marks[str] = Marks()
        """By user, of those whom they share a room with."""
        self.devices: Marks[str] = Marks()
        """By user, the same ones and themselves: the last change of their devices or cross-signing keys."""
        self.ready: asyncio.Future[None] | None = None
        self.waiters: set[asyncio.Future[None]] = set()
        self.wakes = 0
        """How often there has been news."""

    @property
    def joined(self) -> list[int]:
        """The rooms that the user is in."""
        return [nid for nid, mine in self.memberships.items() if mine.membership == JOIN]

    def set_membership(self, membership: Membership) -> None:
        """The user's relation to a room is now this (unless something newer is known)."""
        before = self.memberships.get(membership.room_nid)
        if before is None or (before.stream_pos, before.event_nid) <= (membership.stream_pos, membership.event_nid):
            self.memberships[membership.room_nid] = membership

    def wake(self) -> None:
        """There is news."""
        self.wakes += 1
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, timeout_s: float, *, after: int) -> None:
        """Until there is more news than at the wake of this number, or time is up."""
        if self.wakes > after:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            pass
        finally:
            self.waiters.discard(waiter)


class Feeds:
    """Every feed. `on_commit` is a listener of the appender."""

    def __init__(self, *, db: Database, keys: StateKeys, recent: RecentEvents) -> None:
        self._db = db
        self._keys = keys
        self._recent = recent
        self._by_user: OrderedDict[str, Feed] = OrderedDict()
        self._by_room: dict[int, set[Feed]] = {}
        self.heads: dict[int, RoomRow] = {}
        """Rooms that somebody follows, as of the last commit."""
        self.loaded: list[Callable[[Feed], None]] = []
        """Told when a feed has been loaded: what is marked in it before may be incomplete."""
        self.joining: list[Callable[[Feed, int], None]] = []
        """Told when the user of a feed has joined a room, before anybody is woken."""

    async def get(self, user_id: str) -> Feed:
        """A user's feed. Three statements the first time, then none."""
        feed = self._by_user.get(user_id)
        if feed is None:
            user_nid = await self._keys.intern(self._db, ("m.room.member", user_id))
            feed = self._by_user.get(user_id)
            if feed is None:
                feed = self._by_user[user_id] = Feed(user_id, user_nid)
                await self._load(feed)
                self._shrink()
                return feed
        self._by_user.move_to_end(user_id)
        if feed.ready is not None:
            await asyncio.shield(feed.ready)
        return feed

    def peek(self, user_id: str) -> Feed | None:
        """A user's feed if it is in memory."""
        return self._by_user.get(user_id)

    def followers(self, room_nid: int) -> Collection[Feed]:
        """The feeds of those who are in a room. Not to be kept: it changes."""
        return self._by_room.get(room_nid, ())

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Write down what has been committed and wake those whom it concerns."""
        woken: set[Feed] = set()
        for append in batch:
            room_nid = append.room.room_nid
            followers = self._by_room.get(room_nid)
            if append.head is not None and room_nid in self.heads:
                self.heads[room_nid] = append.head
            if append.head is not None:
                self._recent.add(
                    room_nid, (entry.stored for entry in append.events if entry.stored.state_before is not None)
                )
            if append.quiet or append.redactions or append.makes_full is not None:
                self._correct_recent(append)
            touched = set(followers) if followers else set()
            for change in append.members:
                feed = self._by_user.get(change.user_id) if change.is_local else None
                if feed is not None:
                    self._move(feed, append, change)
                    touched.add(feed)
            if append.makes_full is not None:
                for feed in touched:
                    feed.events.touch(room_nid, append.makes_full.stream_pos)
                woken |= touched
            elif append.events:
                last = append.events[-1].stored.stream_pos
                for feed in touched:
                    feed.events.touch(room_nid, last)
                woken |= touched
        for feed in woken:
            feed.wake()

    def _correct_recent(self, append: Append) -> None:
        room_nid = append.room.room_nid
        if append.makes_full is not None or any(entry.stored.pos is not None for entry in append.quiet):
            # What is in memory has partial states, or may not be all any more because history has come.
            self._recent.forget(room_nid)
        for target, _ in append.redactions:
            self._recent.replace(room_nid, target)

    def forget(self, user_id: str, room_nid: int) -> None:
        """The user does not want to see a room any more."""
        feed = self._by_user.get(user_id)
        if feed is not None:
            feed.memberships.pop(room_nid, None)
            for marks in (feed.events, feed.receipts, feed.typing):
                marks.forget(room_nid)

    def forget_room(self, room_nid: int) -> None:
        """The room has been deleted."""
        self._recent.forget(room_nid)
        for feed in self._by_user.values():
            if room_nid in feed.memberships:
                self._unfollow(feed, room_nid)
                self.forget(feed.user_id, room_nid)

    def _move(self, feed: Feed, append: Append, change: MembershipChange) -> None:
        room_nid, event_nid, stream_pos = append.room.room_nid, change.event_nid, change.stream_pos
        before = feed.memberships.get(room_nid)
        if before is not None and before.membership == change.membership:
            stream_pos = before.stream_pos
        feed.set_membership(Membership(feed.user_nid, room_nid, event_nid, change.membership, stream_pos, 0))
        if change.membership == JOIN:
            if append.head is not None:
                self.heads[room_nid] = append.head
            self._by_room.setdefault(room_nid, set()).add(feed)
            if before is None or before.membership != JOIN:
                for listener in self.joining:
                    listener(feed, room_nid)
        else:
            self._unfollow(feed, room_nid)

    async def _load(self, feed: Feed) -> None:
        """Commits that happen meanwhile reach the feed too: whichever is newer counts."""
        feed.ready = asyncio.get_running_loop().create_future()
        try:
            memberships = await store.memberships_of(self._db, feed.user_nid)
            for membership in memberships:
                if not membership.forgotten:
                    feed.set_membership(membership)
                    feed.events.touch(membership.room_nid, membership.stream_pos)
            joined = feed.joined
            for room_nid in joined:
                self._by_room.setdefault(room_nid, set()).add(feed)
            if joined:
                for head in await store.heads(self._db, joined):
                    known = self.heads.get(head.room_nid)
                    if known is None or known.last_pos < head.last_pos:
                        self.heads[head.room_nid] = head
                    feed.events.touch(head.room_nid, self.heads[head.room_nid].last_pos >> POS_BITS)
            feed.events.sort()
            for listener in self.loaded:
                listener(feed)
            feed.ready.set_result(None)
        except BaseException as error:
            self._drop(feed)
            feed.ready.set_exception(error if isinstance(error, Exception) else RuntimeError("interrupted"))
            feed.ready.exception()  # Seen: perhaps nobody waits.
            raise
        feed.ready = None

    def _shrink(self) -> None:
        """Drop feeds of those who have not synced for the longest time; who waits is never dropped."""
        excess = len(self._by_user) - FEEDS
        if excess <= 0:
            return
        for feed in list(islice(self._by_user.values(), excess)):
            if not feed.waiters and feed.ready is None:
                self._drop(feed)

    def _drop(self, feed: Feed) -> None:
        self._by_user.pop(feed.user_id, None)
        for room_nid in feed.memberships:
            self._unfollow(feed, room_nid)

    def _unfollow(self, feed: Feed, room_nid: int) -> None:
        followers = self._by_room.get(room_nid)
        if followers is not None:
            followers.discard(feed)
            if not followers:
                del self._by_room[room_nid]
                self.heads.pop(room_nid, None)
