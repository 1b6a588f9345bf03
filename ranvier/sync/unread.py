"""Unread notifications, counted when a user looks and not when a message is sent.

Spec: client-server API, "Receiving notifications", "Threaded read receipts". What is unread is kept per user and room and
moved on by the events that have come since; so a send costs the same in a room of ten and of ten thousand, and who never
syncs costs nothing. What took long to count is written down now and then, so that nobody counts it twice.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from ranvier.proto.filters import EventFilter
from ranvier.rooms.notifying import Notifying, Recipient
from ranvier.rooms.receipts import Receipts, RoomReceipts
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import POS_BITS, StoredEvent
from ranvier.store.receipts import MAIN, UNTHREADED, Receipt
from ranvier.sync.default_outcomes import (
    EVENTS,
    HIGHLIGHTS,
    LOOK,
    MEMBER,
    NOTIFIES,
    RELATED,
    DefaultOutcomes,
    Outcome,
    RoomOutcomes,
)
from ranvier.sync.feed import Feed, Feeds
from ranvier.sync.timeline import Timelines
from ranvier.sync.unread_entries import Counts, UnreadEntries, entry_of
from ranvier.sync.unread_notes import UnreadNotes
from ranvier.users.account_data import AccountDataChange
from ranvier.users.ignored_users import TYPE as IGNORED_USER_LIST

COUNTS: Final = 200_000
WRITTEN_AFTER: Final = 100
"""So many events counted are worth writing down."""

_EVERYTHING: Final = EventFilter()


@dataclass(slots=True)
class _Count:
    joined_pos: int
    """When the user joined the room: a new stay begins with a new count."""
    pos: int
    """The timeline has been counted up to here."""
    entries: UnreadEntries = field(default_factory=UnreadEntries)
    unwritten: int = 0
    """How many events have been counted since this was written down."""


class Unread:
    """Everybody's counts."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        feeds: Feeds,
        timelines: Timelines,
        notifying: Notifying,
        outcomes: DefaultOutcomes,
        receipts: Receipts,
        notes: UnreadNotes,
    ) -> None:
        self._feeds = feeds
        self._rooms = rooms
        self._timelines = timelines
        self._notifying = notifying
        self._outcomes = outcomes
        self._receipts = receipts
        self._notes = notes
        self._users: OrderedDict[int, dict[int, _Count]] = OrderedDict()
        """By user and room."""
        self._number = 0
        """Of all counts."""

    async def of(self, feed: Feed, room_nid: int, upto: int, *, threads: bool) -> bytes:
        """`"unread_notifications":{...}`, and with `threads` the counts of each thread.

        No statement if the events since the last time are in memory.
        """
        entries = await self.entries(feed, room_nid, upto)
        if not threads:
            return b'"unread_notifications":' + _encoded(entries.total())
        main = b'"unread_notifications":' + _encoded(entries.main())
        others = entries.threads()
        if not others:
            return main
        members = [orjson.dumps(root) + b":" + _encoded(counts) for root, counts in others.items()]
        return main + b',"unread_thread_notifications":{%s}' % b",".join(members)

    async def entries(self, feed: Feed, room_nid: int, upto: int) -> UnreadEntries:
        """What is unread for a user in a room they are in, counted up to position `upto`. Not to be changed."""
        joined_pos = feed.memberships[room_nid].stream_pos << POS_BITS
        count = self._users.get(feed.user_nid, {}).get(room_nid)
        if count is None or count.joined_pos != joined_pos:
            count = self._remember(feed.user_nid, room_nid, await self._begin(feed, room_nid, joined_pos))
        # No further than there is something: what comes later is still to be counted.
        newest = min(feed.events.get(room_nid) << POS_BITS, upto)
        if count.pos < newest:
            await self._move_on(feed, room_nid, count, newest)
        return count.entries

    def on_receipts(self, receipts: Sequence[Receipt]) -> None:
        """A listener of receipts: what has been read is not unread any more."""
        for receipt in receipts:
            counts = self._users.get(receipt.user_nid)
            if counts is not None and receipt.room_nid in counts:
                counts[receipt.room_nid].entries.read(receipt.thread, receipt.pos)

    def on_account_data(self, change: AccountDataChange) -> None:
        """A listener of account data: who ignores somebody else is not notified by them, nor was."""
        if change.type == IGNORED_USER_LIST and change.room_id is None:
            feed = self._feeds.peek(change.user_id)
            if feed is not None:
                self._number -= len(self._users.pop(feed.user_nid, ()))
                self._notes.forget(feed.user_nid)

    def forget(self, room_nid: int, upto_pos: int) -> None:
        """Something of the room is gone up to here: who has anything unread there counts again."""
        for counts in self._users.values():
            count = counts.get(room_nid)
            if count is not None and count.entries.oldest <= upto_pos:
                del counts[room_nid]
                self._number -= 1

    def _remember(self, user_nid: int, room_nid: int, count: _Count) -> _Count:
        counts = self._users.setdefault(user_nid, {})
        standing = counts.get(room_nid)
        if standing is not None and standing.joined_pos == count.joined_pos:
            return standing  # Another device of the user was faster.
        self._number += standing is None
        counts[room_nid] = count
        self._users.move_to_end(user_nid)
        while self._number > COUNTS and len(self._users) > 1:
            self._number -= len(self._users.popitem(last=False)[1])
        return count

    async def _begin(self, feed: Feed, room_nid: int, joined_pos: int) -> _Count:
        """What was written down in this stay, without what has been read since; or nothing, from where it was read."""
        receipts = await self._receipts.in_room(feed.user_nid, feed.user_id, room_nid)
        begin = max(joined_pos, _read_pos(receipts, UNTHREADED))
        note = await self._notes.of(feed.user_nid, room_nid)
        if note is None or note[0] <= begin or note[1].oldest <= self._rooms.purged.upto_pos(room_nid):
            return _Count(joined_pos, begin)
        pos, entries = note
        entries.read(UNTHREADED, joined_pos)
        for receipt in receipts.values():
            entries.read(receipt.thread, receipt.pos)
        return _Count(joined_pos, pos, entries)

    async def _move_on(self, feed: Feed, room_nid: int, count: _Count, upto: int) -> None:
        """Count the events after `count.pos`. Another device of the user may be doing the same: each counts once."""
        room = await self._rooms.by_nid(room_nid)
        recipient = await self._notifying.recipient(feed.user_id)
        receipts = await self._receipts.of_user(feed.user_nid, feed.user_id)
        outcomes = self._outcomes.after(room_nid, count.pos) if recipient.has_default_rules else None
        if outcomes is not None:
            counted = await self._count_outcomes(count, recipient, room, outcomes, upto, receipts)
        else:
            timeline = await self._timelines.newest(
                room_nid, after=count.pos, upto=upto, limit=EVENTS, wanted=_EVERYTHING
            )
            for stored in timeline.events:
                await self._count_event(count, recipient, room, stored, receipts)
            counted = len(timeline.events)
        count.pos = max(count.pos, upto)
        count.unwritten += counted
        if count.unwritten >= WRITTEN_AFTER:
            count.unwritten = 0
            self._notes.note(feed.user_nid, room_nid, count.pos, count.entries)

    async def _count_outcomes(
        self,
        count: _Count,
        recipient: Recipient,
        room: Room,
        outcomes: RoomOutcomes,
        upto: int,
        receipts: Mapping[int, RoomReceipts],
    ) -> int:
        """Count by what the default rules order. How many events there were; no statement for those that are the same
        to everybody.
        """
        found = list(outcomes.between(count.pos, upto))
        own, ignored = outcomes.senders([recipient.user_id]), outcomes.senders(recipient.ignored)
        looked_at = [nid for _, nid, sender, bits in found if _is_personal(bits, is_own=sender in own)]
        events = await self._rooms.cache.get(looked_at) if looked_at else {}
        rest: Sequence[Outcome] = found
        while rest:
            # Nothing is awaited in one stretch, so what has been read stays as it is.
            plain = next((n for n, (_, nid, _, _) in enumerate(rest) if nid in events), len(rest))
            _count_plain(count, rest[:plain], own, ignored, receipts.get(room.room_nid, {}))
            if plain < len(rest):
                await self._count_event(count, recipient, room, events[rest[plain][1]], receipts)
            rest = rest[plain + 1 :]
        return len(found)

    async def _count_event(
        self,
        count: _Count,
        recipient: Recipient,
        room: Room,
        stored: StoredEvent,
        receipts: Mapping[int, RoomReceipts],
    ) -> None:
        event, pos = stored.event, stored.pos or 0
        is_own = event.sender == recipient.user_id
        actions = await self._notifying.actions(recipient, room, stored)
        thread = await self._notifying.thread_of(stored) if actions.notify or is_own else ""
        redacted = await self._redacted_pos(stored) if event.redacts is not None else None
        # Nothing is awaited from here on.
        if count.pos >= pos:
            return
        count.pos = pos
        if redacted is not None:
            count.entries.remove(redacted)
        if is_own and event.type != "m.room.member":
            # Who says something has read what was said before.
            count.entries.read(thread, pos)
        elif actions.notify:
            mine = receipts.get(room.room_nid, {})
            if pos > max(_read_pos(mine, UNTHREADED), _read_pos(mine, thread)):
                count.entries.add(thread, pos, highlight=actions.highlight)

    async def _redacted_pos(self, redaction: StoredEvent) -> int | None:
        target_id = redaction.event.redacts or ""
        target = (await self._rooms.cache.by_id([target_id])).get(target_id)
        return None if target is None or target.redacted_by is None else target.pos


def _is_personal(bits: int, *, is_own: bool) -> bool:
    """Whether an event has to be looked at for this user."""
    return bool(bits & LOOK or (bits & RELATED and (is_own or bits & NOTIFIES)))


def _count_plain(
    count: _Count,
    outcomes: Iterable[Outcome],
    own: Collection[int],
    ignored: Collection[int],
    receipts: Mapping[tuple[bool, str], Receipt],
) -> None:
    """Count events that are the same to everybody, and in the main timeline."""
    read_pos = max(_read_pos(receipts, UNTHREADED), _read_pos(receipts, MAIN))
    entries, known = count.entries, count.pos
    unread: list[int] = []
    for pos, _, sender, bits in outcomes:
        if pos <= known:
            continue
        count.pos = pos
        if sender in own:
            if not bits & MEMBER:
                # Who says something has read what was said before.
                unread.clear()
                entries.read(MAIN, pos)
        elif bits & NOTIFIES and pos > read_pos and sender not in ignored:
            unread.append(entry_of(pos, highlight=bool(bits & HIGHLIGHTS)))
    entries.extend(MAIN, unread)


def _read_pos(receipts: Mapping[tuple[bool, str], Receipt], thread: str) -> int:
    """How far a thread was read by receipts of its own, whether private or not."""
    public, private = receipts.get((False, thread)), receipts.get((True, thread))
    return max(0 if public is None else public.pos, 0 if private is None else private.pos)


def _encoded(counts: Counts) -> bytes:
    return b'{"highlight_count":%d,"notification_count":%d}' % (counts[1], counts[0])
