"""Receipts as one of the streams of `/sync`.

Spec: client-server API, "Receipts": each change once, those of a room together; private ones are told to their own user
only. What is the same for all members of a room is encoded once.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from ranvier.db.engine import Database
from ranvier.rooms.receipt_writer import ReceiptWriter
from ranvier.rooms.receipts import Receipts
from ranvier.store import receipts as store
from ranvier.store.receipts import UNTHREADED, Receipt
from ranvier.sync.feed import Feed, Feeds
from ranvier.sync.recent_receipts import RecentReceipts

WHOLE_BYTES: Final = 32 << 20
"""So much is kept of what rooms have altogether."""
SHARED: Final = 1024

Events = list[bytes]
"""`m.receipt` events; mostly one."""


class ReceiptStream:
    """Knows, for who syncs, what was read since."""

    def __init__(self, *, db: Database, receipts: Receipts, writer: ReceiptWriter, feeds: Feeds) -> None:
        self._db = db
        self._receipts = receipts
        self.writer = writer
        """Whose `committed_pos` is the position of the last receipt that is durable."""
        self._feeds = feeds
        self._recent = RecentReceipts(newest=writer.committed_pos)
        self._whole: OrderedDict[int, Events] = OrderedDict()
        self._whole_bytes = 0
        self._shared: OrderedDict[tuple[int, int, int], Events] = OrderedDict()
        writer.listeners.append(self._on_receipts)
        feeds.loaded.append(self._on_loaded)

    async def changed(self, feed: Feed, since: int) -> set[int]:
        """The rooms in which the user can see a newer receipt. One statement if memory does not reach back so far."""
        changed = set(feed.receipts.after(since))
        if since < feed.receipts.complete_after:
            changed.update(await store.newest_of_rooms(self._db, feed.joined, user_nid=feed.user_nid, after=since))
        return changed

    async def since(self, feed: Feed, room_nids: Collection[int], since: int) -> Mapping[int, Events]:
        """What was read in these rooms after `since`. At most one statement, mostly none."""
        found: dict[int, Events] = {}
        missing = []
        for room_nid in room_nids:
            receipts = self._recent.after(room_nid, since)
            if receipts is None:
                missing.append(room_nid)
            elif receipts:
                found[room_nid] = self._events(feed, since, receipts)
        if missing:
            loaded = await store.of_rooms(self._db, missing, after=since, is_private_for=feed.user_nid)
            found.update((room_nid, _encoded(receipts)) for room_nid, receipts in _by_room(loaded).items())
        return found

    async def whole(self, feed: Feed, room_nids: Collection[int]) -> Mapping[int, Events]:
        """Everything that was ever read in these rooms and still counts. At most two statements, mostly none."""
        found = {room_nid: self._whole[room_nid] for room_nid in room_nids if room_nid in self._whole}
        found |= await self._load_whole([room_nid for room_nid in room_nids if room_nid not in found])
        mine = await self._receipts.of_user(feed.user_nid, feed.user_id)
        result = {}
        for room_nid in room_nids:
            events = found[room_nid]
            private = [receipt for receipt in mine.get(room_nid, {}).values() if receipt.is_private]
            if private:
                events = [*events, *_encoded(private)]
            if events:
                result[room_nid] = events
        return result

    def _events(self, feed: Feed, since: int, receipts: Sequence[Receipt]) -> Events:
        visible = [entry for entry in receipts if not entry.is_private or entry.user_nid == feed.user_nid]
        if any(receipt.is_private for receipt in visible):
            return _encoded(visible)
        key = (receipts[0].room_nid, since, receipts[-1].stream_pos)
        events = self._shared.get(key)
        if events is None:
            events = self._shared[key] = _encoded(visible)
            if len(self._shared) > SHARED:
                self._shared.popitem(last=False)
        return events

    async def _load_whole(self, room_nids: Sequence[int]) -> dict[int, Events]:
        if not room_nids:
            return {}
        before = self.writer.committed_pos
        loaded = _by_room(await store.of_rooms(self._db, room_nids, after=0))
        found: dict[int, Events] = {}
        for room_nid in room_nids:
            events = found[room_nid] = _encoded(loaded.get(room_nid, ()))
            if self._recent.newest(room_nid) <= before and room_nid not in self._whole:
                self._whole[room_nid] = events
                self._whole_bytes += _size_bytes(events)
        while self._whole_bytes > WHOLE_BYTES:
            _, dropped = self._whole.popitem(last=False)
            self._whole_bytes -= _size_bytes(dropped)
        return found

    def _on_receipts(self, receipts: Sequence[Receipt]) -> None:
        woken: set[Feed] = set()
        for receipt in receipts:
            self._recent.add(receipt)
            if receipt.is_private:
                own = self._feeds.peek(receipt.user_id)
                followers: Iterable[Feed] = () if own is None else (own,)
            else:
                followers = self._feeds.followers(receipt.room_nid)
                outdated = self._whole.pop(receipt.room_nid, None)
                if outdated is not None:
                    self._whole_bytes -= _size_bytes(outdated)
            for feed in followers:
                feed.receipts.touch(receipt.room_nid, receipt.stream_pos)
            woken.update(followers)
        for feed in woken:
            feed.wake()

    def _on_loaded(self, feed: Feed) -> None:
        feed.receipts.begin(self.writer.committed_pos)


def _by_room(receipts: Iterable[Receipt]) -> dict[int, list[Receipt]]:
    found: dict[int, list[Receipt]] = {}
    for receipt in receipts:
        found.setdefault(receipt.room_nid, []).append(receipt)
    return found


def _encoded(receipts: Iterable[Receipt]) -> Events:
    """As few events as can hold them: one user may have several receipts of a kind at one event."""
    newest = {(receipt.user_nid, receipt.key): receipt for receipt in receipts}
    contents: list[dict[str, dict[str, dict[str, Any]]]] = []
    for receipt in newest.values():
        body: dict[str, Any] = {"ts": receipt.ts}
        if receipt.thread != UNTHREADED:
            body["thread_id"] = receipt.thread
        kind = "m.read.private" if receipt.is_private else "m.read"
        for content in contents:
            by_user = content.setdefault(receipt.event_id, {}).setdefault(kind, {})
            if receipt.user_id not in by_user:
                by_user[receipt.user_id] = body
                break
        else:
            contents.append({receipt.event_id: {kind: {receipt.user_id: body}}})
    return [orjson.dumps({"type": "m.receipt", "content": content}) for content in contents]


def _size_bytes(events: Events) -> int:
    return 200 + sum(map(len, events))
