"""What somebody has missed: notifications that they have not read, and invitations, since a moment.

Spec: client-server API, "Receiving notifications". What notifies, and what is read, is what unread counts say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ranvier.rooms.notifying import Notifying
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.serve import Serving
from ranvier.store import rooms as room_store
from ranvier.store import stripped_states
from ranvier.store.events import POS_BITS
from ranvier.store.notifications import rows_at
from ranvier.store.rooms import INVITE, Membership
from ranvier.sync.feed import Feed, Feeds
from ranvier.sync.unread import Unread

EVENTS: Final = 10
"""So many of a room's events are shown at most, the newest."""
ROOMS: Final = 20
_END: Final = (1 << 62) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedEvent:
    """One event that notifies."""

    event: dict[str, Any]
    """As a client sees it."""
    sender_name: str
    sender_avatar: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedRoom:
    """What was missed in one room."""

    room_nid: int
    room_id: str
    name: str | None
    """`None`: it has none of its own."""
    avatar: str | None
    inviter: str | None
    """The name of who invites; `None` if the user is in the room."""
    events: Sequence[MissedEvent]
    """Oldest first."""
    count: int
    """Of all that was missed there."""
    stream_pos: int
    """Of the newest."""


class MissedMessages:
    """Looks."""

    def __init__(self, *, rooms: Rooms, feeds: Feeds, unread: Unread, notifying: Notifying, serving: Serving) -> None:
        self._rooms = rooms
        self._feeds = feeds
        self._unread = unread
        self._notifying = notifying
        self._serving = serving

    async def since(self, user_id: str, stream_pos: int) -> list[MissedRoom]:
        """What is unread of what came after a position, the room with the newest first."""
        feed = await self._feeds.get(user_id)
        found = []
        for room_nid in feed.joined:
            if feed.events.get(room_nid) > stream_pos:
                missed = await self._in_room(feed, room_nid, stream_pos)
                if missed is not None:
                    found.append(missed)
        ignored = (await self._notifying.recipient(user_id)).ignored
        for mine in list(feed.memberships.values()):
            if mine.membership == INVITE and mine.stream_pos > stream_pos:
                invitation = await self._invitation(mine, ignored)
                if invitation is not None:
                    found.append(invitation)
        found.sort(key=lambda missed: missed.stream_pos, reverse=True)
        return found[:ROOMS]

    async def _in_room(self, feed: Feed, room_nid: int, stream_pos: int) -> MissedRoom | None:
        entries = await self._unread.entries(feed, room_nid, _END)
        unread = [pos for pos in entries.positions() if pos >> POS_BITS > stream_pos]
        if not unread:
            return None
        room = await self._rooms.by_nid(room_nid)
        stored = await self._rooms.cache.from_rows(await rows_at(self._rooms.db, room_nid, unread[-EVENTS:]))
        served = await self._serving.serve(stored, user_id=feed.user_id, device_id=None, room_id=True)
        events = []
        for event in map(orjson.loads, served):
            name, avatar = await self._member(room, event["sender"])
            events.append(MissedEvent(event=event, sender_name=name, sender_avatar=avatar))
        return MissedRoom(
            room_nid=room_nid,
            room_id=room.room_id,
            name=_text(room.content("m.room.name"), "name") or _text(room.content("m.room.canonical_alias"), "alias"),
            avatar=_text(room.content("m.room.avatar"), "url"),
            inviter=None,
            events=events,
            count=len(unread),
            stream_pos=unread[-1] >> POS_BITS,
        )

    async def _member(self, room: Room, user_id: str) -> tuple[str, str | None]:
        member = await self._rooms.member(room, user_id)
        content = {} if member is None else member.event.content
        return _text(content, "displayname") or user_id, _text(content, "avatar_url")

    async def _invitation(self, mine: Membership, ignored: frozenset[str]) -> MissedRoom | None:
        own = (await self._rooms.cache.get([mine.event_nid])).get(mine.event_nid)
        if own is None or own.event.sender in ignored:
            return None
        sender = own.event.sender
        if own.state_before is None:
            told = orjson.loads(await stripped_states.find(self._rooms.db, mine.user_nid, mine.room_nid) or b"[]")
            state = {(event.get("type"), event.get("state_key")): event.get("content") for event in told}
            inviter = _text(state.get(("m.room.member", sender)), "displayname") or sender
            name = _text(state.get(("m.room.name", "")), "name")
            room_id = (await room_store.room_ids(self._rooms.db, [mine.room_nid]))[mine.room_nid]
        else:
            room = await self._rooms.by_nid(mine.room_nid)
            inviter, _ = await self._member(room, sender)
            name, room_id = _text(room.content("m.room.name"), "name"), room.room_id
        return MissedRoom(
            room_nid=mine.room_nid,
            room_id=room_id,
            name=name,
            avatar=None,
            inviter=inviter,
            events=(),
            count=1,
            stream_pos=mine.stream_pos,
        )


def _text(content: object, key: str) -> str | None:
    """What stands there, if it is a text that says something."""
    value = content.get(key) if isinstance(content, dict) or hasattr(content, "get") else None
    return value.strip()[:255] or None if isinstance(value, str) else None
