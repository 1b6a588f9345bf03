"""Typing notifications as one of the streams of `/sync`. Spec: client-server API, "Typing Notifications"."""

import orjson

from ranvier.rooms.typing import Typing, TypingChange
from ranvier.sync.feed import Feed, Feeds


class TypingStream:
    """Knows, for who syncs, where it changed who is typing. Executes no statement."""

    def __init__(self, *, typing: Typing, feeds: Feeds) -> None:
        self.typing = typing
        """Whose `pos` is the position of the last change."""
        self._feeds = feeds
        self._events: dict[int, tuple[int, bytes]] = {}
        typing.listeners.append(self._on_change)
        feeds.loaded.append(self._on_loaded)
        feeds.joining.append(self._on_joining)

    def changed(self, feed: Feed, since: int) -> set[int]:
        """The rooms of the user in which it changed who is typing."""
        changed = set(feed.typing.after(since))
        if since < feed.typing.complete_after:
            joined = set(feed.joined)
            changed.update(room_nid for room_nid in self.typing.changed_after(since) if room_nid in joined)
        return changed

    def anyone(self, room_nid: int) -> bool:
        """Whether anyone is typing in a room."""
        return bool(self.typing.in_room(room_nid))

    def event(self, room_nid: int, ignored: frozenset[str]) -> bytes:
        """The `m.typing` event of a room."""
        user_ids = self.typing.in_room(room_nid)
        if not ignored.isdisjoint(user_ids):
            return _encoded([user_id for user_id in user_ids if user_id not in ignored])
        pos, event = self._events.get(room_nid, (-1, b""))
        if pos != self.typing.pos:
            event = _encoded(user_ids)
            if len(self._events) > 1000:
                self._events.clear()
            self._events[room_nid] = (self.typing.pos, event)
        return event

    def _on_change(self, change: TypingChange) -> None:
        for feed in self._feeds.followers(change.room_nid):
            feed.typing.touch(change.room_nid, change.pos)
            feed.wake()

    def _on_loaded(self, feed: Feed) -> None:
        feed.typing.begin(self.typing.pos)

    def _on_joining(self, feed: Feed, room_nid: int) -> None:
        if self.typing.in_room(room_nid):
            feed.typing.touch(room_nid, self.typing.pos)


def _encoded(user_ids: list[str]) -> bytes:
    return orjson.dumps({"type": "m.typing", "content": {"user_ids": user_ids}})
