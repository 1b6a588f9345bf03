"""The list of a user's notifications.

Spec: client-server API, `GET /notifications`. It is not kept: it is made of the newest events of the user's rooms and of
the rules that the user has now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.proto.push_evaluate import Actions
from ranvier.rooms.notifying import Notifying
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.serve import Serving
from ranvier.store.events import POS_BITS, StoredEvent
from ranvier.store.notifications import greatest_nid, newest_rows
from ranvier.sync.feed import Feed, Feeds
from ranvier.sync.unread import Unread
from ranvier.users.requester import Requester

LIMIT: Final = 100
"""The most notifications in an answer."""
BATCH: Final = 200
LOOKED_AT: Final = 20_000
"""So many events of the server are passed by for an answer at most; the next one goes on from there."""
_END: Final = (1 << 62) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """An event that notifies the user."""

    event: bytes
    room_id: str
    actions: list[Any]
    read: bool
    ts: int


@dataclass(frozen=True, slots=True)
class NotificationPage:
    """Notifications, newest first."""

    notifications: list[Notification]
    next_before: int | None
    """Where to go on; `None` if there are no more."""


class Notifications:
    """Makes lists."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        feeds: Feeds,
        notifying: Notifying,
        unread: Unread,
        serving: Serving,
    ) -> None:
        self._rooms = rooms
        self._feeds = feeds
        self._notifying = notifying
        self._unread = unread
        self._serving = serving

    async def page(
        self, requester: Requester, *, before: int | None, limit: int, only_highlights: bool = False
    ) -> NotificationPage:
        """At most `limit` notifications by events with smaller numbers than `before`."""
        feed = await self._feeds.get(requester.user_id)
        joined = feed.joined
        limit = min(limit, LIMIT)
        if before is None:
            before = 1 + await greatest_nid(self._rooms.db)
        lowest = max(0, before - LOOKED_AT)
        found: list[tuple[StoredEvent, Actions]] = []
        while joined and len(found) < limit and before > lowest + 1:
            rows = await newest_rows(self._rooms.db, joined, before=before, after=lowest, limit=BATCH)
            for stored in await self._rooms.cache.from_rows(rows):
                before = stored.event_nid
                actions = await self._actions(feed, stored)
                if actions.notify and (actions.highlight or not only_highlights):
                    found.append((stored, actions))
                    if len(found) == limit:
                        break
            else:
                if len(rows) < BATCH:
                    before = lowest + 1
        return NotificationPage(await self._listed(requester, feed, found), before if joined and before > 1 else None)

    async def _actions(self, feed: Feed, stored: StoredEvent) -> Actions:
        room = await self._rooms.by_nid(stored.room_nid)
        lifetimes = self._rooms.purged.lifetimes
        if lifetimes is not None and lifetimes.is_over(room, stored.event):
            return Actions(notify=False)
        recipient = await self._notifying.recipient(feed.user_id)
        actions = await self._notifying.actions(recipient, room, stored)
        mine = feed.memberships.get(stored.room_nid)
        was_there = mine is not None and (stored.pos or 0) >> POS_BITS > mine.stream_pos
        return actions if was_there else Actions(notify=False)

    async def _listed(
        self, requester: Requester, feed: Feed, found: Sequence[tuple[StoredEvent, Actions]]
    ) -> list[Notification]:
        events = await self._serving.serve(
            [stored for stored, _ in found],
            user_id=requester.user_id,
            device_id=requester.device_id,
            room_id=False,
            membership="join",
        )
        listed = []
        for (stored, actions), event in zip(found, events, strict=True):
            entries = await self._unread.entries(feed, stored.room_nid, _END)
            listed.append(
                Notification(
                    event=event,
                    room_id=stored.event.room_id,
                    actions=[
                        "notify",
                        *({"set_tweak": name, "value": tweak} for name, tweak in actions.tweaks.items()),
                    ],
                    read=not entries.holds(stored.pos or 0),
                    ts=stored.event.origin_server_ts,
                )
            )
        return listed
