"""Presence as one of the streams of `/sync`.

Spec: client-server API, "Presence": everyone who shares a room with a user is told when their presence changes. Executes no
statement.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

import orjson

from ranvier.config.sections import PresenceConfig
from ranvier.ports import Clock
from ranvier.proto.filters import EventFilter
from ranvier.rooms.append import Append
from ranvier.sync.feed import Feed, Feeds
from ranvier.users.presence import Presence, PresenceTracker


class PresentElsewhere(Protocol):
    """Users of other servers who are there."""

    def rooms_of(self, user_id: str) -> Collection[int]:
        """The rooms in which a user meets users of this server; none for users of this server."""
        ...

    def in_room(self, room_nid: int) -> Collection[str]:
        """Those of them who are in a room."""
        ...


class NobodyElsewhere:
    """There are no other servers."""

    def rooms_of(self, user_id: str) -> Collection[int]:
        return ()

    def in_room(self, room_nid: int) -> Collection[str]:
        return ()


class PresenceStream:
    """Knows, for who syncs, whose presence has changed."""

    def __init__(self, *, tracker: PresenceTracker, feeds: Feeds, clock: Clock, config: PresenceConfig) -> None:
        self.tracker = tracker
        """Whose `pos` is the position of the last change."""
        self.elsewhere: PresentElsewhere = NobodyElsewhere()
        self._feeds = feeds
        self._clock = clock
        self._config = config
        if tracker.is_on:
            tracker.listeners.append(self._on_change)
            feeds.loaded.append(self._on_loaded)
            feeds.joining.append(self._on_joining)

    def events(self, feed: Feed, since: int | None, wanted: EventFilter) -> list[bytes]:
        """`m.presence` of those whose presence has changed after `since`; without it, of everyone who is there."""
        if not self.tracker.is_on or not wanted.allows_type("m.presence"):
            return []
        if since is None:
            user_ids: Iterable[str] = self._present(feed)
        elif since < feed.presence.complete_after:
            user_ids = {user_id for user_id in self._met(feed) if self.tracker.changed_at(user_id) > since}
            user_ids |= set(feed.presence.after(since))
        else:
            user_ids = list(feed.presence.after(since))
        return [self._event(user_id) for user_id in user_ids if wanted.allows_sender(user_id)]

    def on_commit(self, batch: Sequence[Append]) -> None:
        """A listener of the appender: who sends something is active."""
        for append in batch:
            for entry in append.events:
                txn = entry.stored.txn
                if txn is not None and txn.device_id:
                    self.tracker.act(txn.user_id, txn.device_id)

    def _present(self, feed: Feed) -> list[str]:
        met = self._met(feed)
        if self._config.include_offline_users_on_sync:
            return list(met)
        return [user_id for user_id in met if self.tracker.of(user_id).presence != "offline"]

    def _met(self, feed: Feed) -> set[str]:
        """Who shares a room with the user and has followed their account lately, the user among them."""
        others: set[Feed] = {feed}
        elsewhere: set[str] = set()
        for room_nid in feed.joined:
            if self._carries(room_nid):
                others.update(self._feeds.followers(room_nid))
                elsewhere.update(self.elsewhere.in_room(room_nid))
        return elsewhere.union(other.user_id for other in others)

    def _carries(self, room_nid: int) -> bool:
        if not self._config.exclude_rooms:
            return True
        head = self._feeds.heads.get(room_nid)
        return head is None or head.room_id not in self._config.exclude_rooms

    def _event(self, user_id: str) -> bytes:
        content = presence_content(self.tracker.of(user_id), self._clock.now_ms())
        return orjson.dumps({"type": "m.presence", "sender": user_id, "content": content})

    def _on_change(self, user_id: str, pos: int) -> None:
        feed = self._feeds.peek(user_id)
        told: set[Feed] = set() if feed is None else {feed}
        for room_nid in self.elsewhere.rooms_of(user_id) if feed is None else feed.joined:
            if self._carries(room_nid):
                told.update(self._feeds.followers(room_nid))
        for other in told:
            other.presence.touch(user_id, pos)
            other.wake()

    def _on_loaded(self, feed: Feed) -> None:
        feed.presence.begin(self.tracker.pos)

    def _on_joining(self, feed: Feed, room_nid: int) -> None:
        """Whoever comes is told who is there, and those who are there are told of them."""
        if not self._carries(room_nid):
            return
        self._tell(feed.user_id, [other for other in self._feeds.followers(room_nid) if other is not feed])
        for other in self._feeds.followers(room_nid):
            if other is not feed:
                self._tell(other.user_id, [feed])
        for user_id in self.elsewhere.in_room(room_nid):
            self._tell(user_id, [feed])

    def _tell(self, user_id: str, feeds: Sequence[Feed]) -> None:
        if self.tracker.of(user_id).presence != "offline" and feeds:
            pos = self.tracker.take_pos()
            for feed in feeds:
                feed.presence.touch(user_id, pos)


def presence_content(presence: Presence, now_ms: int) -> dict[str, Any]:
    """Presence as clients see it."""
    content: dict[str, Any] = {"presence": presence.presence}
    if presence.last_active_ts is not None:
        content["last_active_ago"] = max(0, now_ms - presence.last_active_ts)
    if presence.presence == "online":
        content["currently_active"] = presence.currently_active
    if presence.status_msg is not None:
        content["status_msg"] = presence.status_msg
    return content
