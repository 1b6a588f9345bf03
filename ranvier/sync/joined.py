"""The section of a joined room in a sync answer.

Spec: client-server API, "Syncing". Two ways lead here: the room as a whole (first sync, newly joined, `full_state`), and
what has happened since. What does not depend on the asker is built once and shared by all who ask the same.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from ranvier.proto.visibility import HISTORY_VISIBILITY, sees_everything, visibility_of
from ranvier.rooms.heroes import HEROES
from ranvier.rooms.history import History, Viewer
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.serve import Serving
from ranvier.rooms.unsigned import with_transaction_id
from ranvier.store.events import StoredEvent
from ranvier.store.rooms import Membership, RoomRow
from ranvier.sync.branches import branches, straightened
from ranvier.sync.query import SyncQuery
from ranvier.sync.read_ahead import Ahead, ReadAhead
from ranvier.sync.state_section import Entries, StateSections
from ranvier.sync.timeline import Timeline, Timelines, unbroken
from ranvier.sync.token import end_of

PARTS: Final = 4096
FRESH: Final = 256
FRESH_MS: Final = 250

Device = tuple[str, str | None]
"""`(user_id, device_id)`."""
PartKey = tuple[int, int, str, bool, str | None]


@dataclass(frozen=True, slots=True)
class Served:
    """A timeline as JSON."""

    events: tuple[bytes, ...]
    end: bytes
    """What follows the events."""
    own: Mapping[Device, Mapping[int, str]]
    """By device what it sent: transaction ids by index, where they are not in the events yet."""
    whole: bytes
    """All of it, as everybody else sees it."""

    def shown_to(self, device: Device) -> bytes:
        """As the user of a device sees it who may see all of it."""
        own = self.own.get(device)
        if own is None:
            return self.whole
        events = [
            with_transaction_id(event, own[index]) if index in own else event for index, event in enumerate(self.events)
        ]
        return _joined_timeline(events, self.end)


@dataclass(frozen=True, slots=True)
class RoomPart:
    """A room's timeline and state, ready to be sent to anyone who may see all of it."""

    timeline: Served
    state: bytes
    """The state events, with commas between them."""
    members: frozenset[str]
    """Whose member events are in `state`."""
    heroes: tuple[str, ...] | None
    """`HEROES` + 1 of them, so that one can be the asker; `None` if the room has a name."""
    events: tuple[StoredEvent, ...]

    @property
    def begins(self) -> int:
        """The position of the first event."""
        return (self.events[0].pos or 0) if self.events else 0


class JoinedRooms:
    """Builds sections."""

    def __init__(
        self, *, rooms: Rooms, history: History, serving: Serving, timelines: Timelines, states: StateSections
    ) -> None:
        self._rooms = rooms
        self._history = history
        self._serving = serving
        self._timelines = timelines
        self._states = states
        self._ahead = ReadAhead(rooms=rooms, timelines=timelines)
        self._parts: OrderedDict[PartKey, RoomPart] = OrderedDict()
        self._fresh: dict[tuple[int, ...], tuple[int, Served]] = {}
        """Timelines of the last moments, and when they were made."""

    def forget(self, room_nid: int, upto_pos: int) -> None:
        """Something of the room is gone up to here: what was put together may say more than there is now."""
        for key in [key for key, part in self._parts.items() if key[0] == room_nid and part.begins <= upto_pos]:
            del self._parts[key]
        self._fresh.clear()

    async def ahead(
        self, query: SyncQuery, wanted: Sequence[tuple[Membership, RoomRow]], upto: int, ignored: frozenset[str]
    ) -> dict[int, Ahead]:
        """What `whole` needs, of those of these rooms that it does not know, unless that is one alone."""
        if query.lazy_members:
            await self._rooms.cache.get([mine.event_nid for mine, _ in wanted])
        missing = [(mine, head) for mine, head in wanted if _key(query, head, upto) not in self._parts]
        return await self._ahead.rooms(query, missing, upto, ignored) if len(missing) > 1 else {}

    async def whole(
        self,
        query: SyncQuery,
        mine: Membership,
        head: RoomRow,
        upto: int,
        ignored: frozenset[str],
        ahead: Ahead | None = None,
    ) -> list[bytes]:
        """Members of the section's JSON object: everything a client needs that does not know the room.

        To a client that may have known it once the timeline is `limited`: it starts anew. No statement if somebody has
        asked the same since the room last changed.
        """
        anew = query.since is not None
        key = _key(query, head, upto)
        part = self._parts.get(key)
        if part is not None and not (ignored and _says(part, ignored)):
            self._parts.move_to_end(key)
            return await self._finish(part, query, mine, head)
        room = await self._rooms.by_nid(mine.room_nid)
        if ahead is None:
            ahead = (await self._ahead.rooms(query, [(mine, head)], upto, ignored))[mine.room_nid]
        timeline = ahead.timeline
        viewer = Viewer(room=room, user_id=query.user_id, joined=True, left_at=None)
        visible = await self._history.visible(viewer, timeline.events)
        visible = unbroken(timeline.events, visible)
        shown = Timeline(visible, limited=anew or timeline.limited or len(visible) < len(timeline.events))
        brought_in: Entries = {}
        if query.state_after is None and branches(visible):
            shown, brought_in = await straightened(self._rooms, room, shown)
        if query.state_after is not None or not shown.events:
            state = await self._states.current(room, members=not query.lazy_members)
        else:
            # Before all of them: what was brought in is told as a difference to that.
            state = await self._states.before(room, visible, members=not query.lazy_members) | brought_in
        shared = (
            not ignored
            and (self._history.lifetimes is None or self._history.lifetimes.of(room) is None)
            and self._is_shared(room, timeline.events)
            and not await self._serving.has_aggregations(shown.events)
        )
        part = await self._part(room, query, shown, state, shared=shared, heroes=ahead.heroes)
        if shared:
            self._parts[key] = part
            if len(self._parts) > PARTS:
                self._parts.popitem(last=False)
        return await self._finish(part, query, mine, head)

    async def since(
        self, query: SyncQuery, mine: Membership, head: RoomRow, since: int, upto: int, ignored: frozenset[str]
    ) -> list[bytes] | None:
        """Members of the section's JSON object: what has happened after `since`; `None` if nothing is to be told.

        `since` and `upto` are positions of the event stream; the user has been in the room all the while.
        """
        after = end_of(since)
        room_nid = mine.room_nid
        timeline = await self._timelines.newest(
            room_nid,
            after=after,
            upto=upto,
            limit=query.timeline_limit,
            wanted=query.filter.room.timeline,
            ignored=ignored,
        )
        if self._history.lifetimes is not None and timeline.events:
            # Messages can be left out where they stand: they set no state.
            room = await self._rooms.by_nid(room_nid)
            timeline = replace(timeline, events=self._history.lifetimes.alive(room, timeline.events))
        state: Entries = {}
        if query.full_state:
            state = await self._state_at_start(query, room_nid, timeline)
        elif timeline.limited or query.state_after is not None or not query.filter.room.timeline.is_open:
            state = await self._state_since(query, room_nid, timeline, after, upto)
        if query.state_after is None and branches(timeline.events):
            timeline, brought_in = await straightened(self._rooms, await self._rooms.by_nid(room_nid), timeline)
            state |= brought_in
        if query.lazy_members and timeline.events:
            room = await self._rooms.by_nid(room_nid)
            state |= await self._states.speakers(room, timeline.events)
        if not timeline.events and not state:
            return None
        events = [*timeline.events, *state.values()]
        members_changed = timeline.limited or any(stored.event.type == "m.room.member" for stored in events)
        return [
            await self._timeline_json(query, timeline),
            await self._state_json(query, state),
            *([await self.summary(query, head)] if members_changed else []),
        ]

    async def _state_at_start(self, query: SyncQuery, room_nid: int, timeline: Timeline) -> Entries:
        """All of the state, as the answer's kind of state section has it."""
        room = await self._rooms.by_nid(room_nid)
        members = not query.lazy_members
        if query.state_after is not None or not timeline.events:
            return await self._states.current(room, members=members)
        return await self._states.before(room, timeline.events, members=members)

    async def _state_since(self, query: SyncQuery, room_nid: int, timeline: Timeline, after: int, upto: int) -> Entries:
        first = await self._timelines.first_after(room_nid, after=after, upto=upto)
        if first is None:
            return {}
        room = await self._rooms.by_nid(room_nid)
        if query.state_after is not None or not timeline.events:
            later = room.state_no
        else:
            later = timeline.events[0].room_before
        return await self._states.changed(room, first.room_before, later, members=not query.lazy_members)

    async def _part(
        self,
        room: Room,
        query: SyncQuery,
        timeline: Timeline,
        state: Entries,
        *,
        shared: bool,
        heroes: tuple[str, ...] | None,
    ) -> RoomPart:
        if query.lazy_members:
            state |= await self._states.members(room, heroes or ())
            state |= await self._states.speakers(room, timeline.events)
        wanted = query.filter.room.state
        shown = [stored for stored in state.values() if wanted.allows(stored.event)]
        if shared:
            served = await self._serving.serve_shared(timeline.events)
        else:
            served = await self._serve(query, timeline.events)
        return RoomPart(
            timeline=_timeline(served, timeline, _transactions(timeline.events) if shared else {}),
            state=b",".join(await self._serving.serve_shared(shown)),
            members=frozenset(stored.event.state_key or "" for stored in shown if stored.event.type == "m.room.member"),
            heroes=heroes,
            events=tuple(timeline.events),
        )

    async def _finish(self, part: RoomPart, query: SyncQuery, mine: Membership, head: RoomRow) -> list[bytes]:
        """Add what belongs to the asker."""
        state = part.state
        if query.lazy_members and query.user_id not in part.members:
            own = (await self._rooms.cache.get([mine.event_nid])).get(mine.event_nid)
            if own is not None and query.filter.room.state.allows(own.event):
                (extra,) = await self._serving.serve_shared([own])
                state = extra if not state else state + b"," + extra
        return [
            part.timeline.shown_to((query.user_id, query.device_id)),
            b'"%s":{"events":[%s]}' % ((query.state_after or "state").encode(), state),
            _summary(query.user_id, head, part.heroes),
        ]

    async def _serve(self, query: SyncQuery, events: Sequence[StoredEvent]) -> list[bytes]:
        return await self._serving.serve(
            events, user_id=query.user_id, device_id=query.device_id, room_id=False, membership="join"
        )

    async def _timeline_json(self, query: SyncQuery, timeline: Timeline) -> bytes:
        """What many wait for is put together once for all of them, as long as its `age` is about right."""
        events = timeline.events
        key = (timeline.limited, *(stored.event_nid for stored in events))
        made_ms, served = self._fresh.get(key, (0, None))
        if served is None or not 0 <= self._serving.age_ms(made_ms) <= FRESH_MS:
            if not events or not await self._serving.are_alike(events):
                return _timeline(await self._serve(query, events), timeline, {}).whole
            made_ms, shared = self._serving.serve_alike(events, membership="join")
            served = _timeline(shared, timeline, _transactions(events))
            if len(self._fresh) >= FRESH:
                self._fresh.clear()
            self._fresh[key] = (made_ms, served)
        return served.shown_to((query.user_id, query.device_id))

    async def _state_json(self, query: SyncQuery, state: Entries) -> bytes:
        wanted = query.filter.room.state
        shown = [stored for stored in state.values() if wanted.allows(stored.event)]
        served = await self._serving.serve_shared(shown) if shown else []
        return b'"%s":{"events":[%s]}' % ((query.state_after or "state").encode(), b",".join(served))

    async def summary(self, query: SyncQuery, head: RoomRow) -> bytes:
        """How many are in the room, and who names it: as a member of the section's JSON object."""
        return _summary(query.user_id, head, await self._ahead.heroes(head))

    def _is_shared(self, room: Room, events: Sequence[StoredEvent]) -> bool:
        """Whether every member may see what this one sees: whatever was set all the while allows it."""
        settings = [stored for stored in events if stored.event.key == HISTORY_VISIBILITY]
        if settings and settings[0].replaces is not None:
            return False
        current = room.state.get(HISTORY_VISIBILITY)
        shown = [None if current is None else current.event, *(stored.event for stored in settings)]
        return all(sees_everything(visibility_of(event), joined_now=True) for event in shown)


def _key(query: SyncQuery, head: RoomRow, upto: int) -> PartKey:
    last = min(head.last_pos, upto)
    return (head.room_nid, last, query.filter_key, query.since is not None, query.state_after)


def _says(part: RoomPart, ignored: frozenset[str]) -> bool:
    """Whether one of these users says something in the timeline."""
    return any(stored.event.sender in ignored and stored.event.state_key is None for stored in part.events)


def _timeline(served: Sequence[bytes], timeline: Timeline, own: Mapping[Device, Mapping[int, str]]) -> Served:
    first = timeline.events[0].pos if timeline.events else None
    prev_batch = b"" if first is None else b',"prev_batch":"t%d"' % (first - 1)
    end = b'],"limited":%s%s}' % (b"true" if timeline.limited else b"false", prev_batch)
    return Served(tuple(served), end, own, _joined_timeline(served, end))


def _joined_timeline(events: Sequence[bytes], end: bytes) -> bytes:
    return b'"timeline":{"events":[%b%b' % (b",".join(events), end)


def _transactions(events: Sequence[StoredEvent]) -> Mapping[Device, Mapping[int, str]]:
    found: dict[Device, dict[int, str]] = {}
    for index, stored in enumerate(events):
        if stored.txn is not None and stored.event.state_key is None:
            found.setdefault((stored.event.sender, stored.txn.device_id), {})[index] = stored.txn.txn_id
    return found


def _summary(user_id: str, head: RoomRow, heroes: tuple[str, ...] | None) -> bytes:
    named = b""
    if heroes is not None:
        named = b',"m.heroes":' + orjson.dumps([hero for hero in heroes if hero != user_id][:HEROES])
    return b'"summary":{"m.joined_member_count":%d,"m.invited_member_count":%d%b}' % (
        head.joined_members,
        head.invited_members,
        named,
    )


def joined_before(mine: Membership, since: int) -> bool:
    """Whether the user was in the room already at this position of the event stream."""
    return mine.stream_pos <= since
