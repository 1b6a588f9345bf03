"""The sections of rooms that the user is not in: invited, knocking, left.

Spec: client-server API, "Syncing", "Stripped state".
"""

from typing import Any

import orjson

from ranvier.proto.client_events import stripped_event, stripped_json
from ranvier.proto.errors import MatrixError
from ranvier.rooms.history import History
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.serve import Serving
from ranvier.store import rooms as room_store
from ranvier.store import stripped_states
from ranvier.store.events import FIRST_POS, StoredEvent
from ranvier.store.rooms import Membership
from ranvier.sync.partly_known import PartlyKnown
from ranvier.sync.query import SyncQuery
from ranvier.sync.state_section import StateSections, by_key
from ranvier.sync.timeline import Timelines, unbroken
from ranvier.sync.token import end_of


class OutsideRooms:
    """Builds sections."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        history: History,
        serving: Serving,
        timelines: Timelines,
        states: StateSections,
        partly_known: PartlyKnown,
    ) -> None:
        self._rooms = rooms
        self._history = history
        self._serving = serving
        self._timelines = timelines
        self._states = states
        self._partly_known = partly_known

    async def stripped(self, mine: Membership, key: str) -> bytes:
        """`invite_state` or `knock_state` (`key`): what one may know of a room from its door."""
        own = (await self._rooms.cache.get([mine.event_nid])).get(mine.event_nid)
        if own is not None and own.state_before is None:
            return await self._told(mine, key, own)
        room = await self._rooms.by_nid(mine.room_nid)
        shown = self._rooms.at_door.of(room)
        if own is not None:
            inviter = await self._rooms.member(room, own.event.sender)
            if inviter is not None and inviter is not own:
                shown.append(inviter)
            shown.append(own)
        events = b",".join(stripped_event(stored.event) for stored in shown)
        return b'{"%s":{"events":[%s]}}' % (key.encode(), events)

    async def _told(self, mine: Membership, key: str, own: StoredEvent) -> bytes:
        """The same of a room that this server is not in: what its servers have told."""
        told = await stripped_states.find(self._rooms.db, mine.user_nid, mine.room_nid)
        events = [event for event in orjson.loads(told or b"[]") if not _is_own(event, own)]
        stripped = [*(stripped_json(event) for event in events), stripped_event(own.event)]
        return b'{"%s":{"events":[%s]}}' % (key.encode(), b",".join(stripped))

    async def room_id(self, mine: Membership) -> str:
        """The id of the room."""
        return (await room_store.room_ids(self._rooms.db, [mine.room_nid]))[mine.room_nid]

    async def sender(self, mine: Membership) -> str | None:
        """Who made the user's membership what it is."""
        own = (await self._rooms.cache.get([mine.event_nid])).get(mine.event_nid)
        return None if own is None else own.event.sender

    async def left(
        self, query: SyncQuery, mine: Membership, since: int | None, ignored: frozenset[str]
    ) -> bytes | None:
        """What the user may still see of a room that they have left, up to the moment they left it."""
        last = (await self._rooms.cache.get([mine.event_nid])).get(mine.event_nid)
        if last is None or last.pos is None:
            return None
        if last.state_before is None:
            return await self._ended(query, last)
        room = await self._rooms.by_nid(mine.room_nid)
        if self._partly_known.was_never_shown(query, mine):
            since = None
        after = FIRST_POS if since is None else end_of(since)
        timeline = await self._timelines.newest(
            mine.room_nid,
            after=after,
            upto=last.pos,
            limit=query.timeline_limit,
            wanted=query.filter.room.timeline,
            ignored=ignored,
        )
        visible = unbroken(timeline.events, await self._visible(query.user_id, room, timeline.events, last))
        served = await self._serving.serve(visible, user_id=query.user_id, device_id=query.device_id, room_id=False)
        state = await self._state(query, room, last, visible, since)
        parts = {
            "timeline": {
                "events": [orjson.Fragment(event) for event in served],
                "limited": timeline.limited or len(visible) < len(timeline.events),
                **({"prev_batch": f"t{(visible[0].pos or 0) - 1}"} if visible else {}),
            },
            query.state_after or "state": {"events": [orjson.Fragment(event) for event in state]},
        }
        return orjson.dumps(parts)

    async def _ended(self, query: SyncQuery, last: StoredEvent) -> bytes:
        """An invitation or a knock has ended that was for a room that this server is not in."""
        served = await self._serving.serve([last], user_id=query.user_id, device_id=query.device_id, room_id=False)
        return b'{"timeline":{"events":[%s],"limited":false},"state":{"events":[]}}' % b",".join(served)

    async def _visible(
        self, user_id: str, room: Room, events: list[StoredEvent], last: StoredEvent
    ) -> list[StoredEvent]:
        try:
            viewer = await self._history.viewer(user_id, room.room_id)
        except MatrixError:
            # Never in the room: all there is to see is how the invitation or the knock ended.
            return [stored for stored in events if stored is last]
        return await self._history.visible(viewer, events)

    async def _state(
        self, query: SyncQuery, room: Room, last: StoredEvent, visible: list[StoredEvent], since: int | None
    ) -> list[bytes]:
        """The state that goes with the timeline, as far as the user had been in the room to know it."""
        if len(visible) < 2 or last.state_before is None:
            return []
        first = visible[0]
        members = not query.lazy_members
        if since is None and first.room_before:
            entries = await self._states.before(room, visible, members=members)
        else:
            start = None
            if since is not None:
                start = await self._timelines.first_after(room.room_nid, after=end_of(since), upto=last.pos or 0)
            earlier = 0 if start is None else start.room_before
            # With a join through another server the room began here: what was true before it is known nevertheless.
            later = first.room_before or first.state_before or 0
            entries = await self._states.changed(room, earlier, later, members=members)
        if query.state_after is not None:
            entries |= by_key(visible)
        wanted = query.filter.room.state
        return await self._serving.serve_shared([entry for entry in entries.values() if wanted.allows(entry.event)])


def _is_own(event: Any, own: StoredEvent) -> bool:
    return (event.get("type"), event.get("state_key")) == own.event.key
