"""The last step of a join with partial state: the room becomes full, in one transaction.

MSC3902. The members at the join, which wait in a table of their own, become those of the room without passing through
memory; what has changed since is written over them.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ranvier.db.engine import Tx
from ranvier.proto.auth.redaction import redaction_allowed
from ranvier.proto.auth.state import CREATE, POWER_LEVELS
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append, Appended, Appender, CurrentEntry, MembershipChange
from ranvier.rooms.graph import Graph, as_events
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.replay import Replay, Told
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import durable
from ranvier.state.history import StateRows, known_state
from ranvier.store import events, partial_state
from ranvier.store.events import ACCEPTED, POS_BITS, StoredEvent, encode_auth
from ranvier.store.rooms import INVITE, JOIN, LEAVE, MEMBERSHIPS
from ranvier.store.state_keys import MEMBER_KEYS

AT_ONCE: Final = 50
"""How many events are replayed before others may write into the room."""
AT_LAST: Final = 200
"""With so many left they are replayed and the room made full while nobody else may write into it."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What has to be asked of other servers before the replay can go on."""

    states: list[StoredEvent]
    signatures: list[StoredEvent]


class BecomingFull:
    """Replays rooms and makes them full. One a process."""

    def __init__(
        self, *, rooms: Rooms, appender: Appender, graph: Graph, now_ms: Callable[[], int], server_name: str
    ) -> None:
        self._rooms = rooms
        self._appender = appender
        self._graph = graph
        self._now_ms = now_ms
        self._server_name = server_name

    async def advance(self, room_id: str, told: Told, replay: Replay | None) -> "Replay | Questions | None":
        """One step of the replay of a room whose full state before the join is known; `None` when there is no more to do.

        Else the replay, to be handed in again, or what has to be put into `told` first. Raises 500 if the database
        refuses; then the replay begins anew.
        """
        room = await self._rooms.find(room_id)
        partial = None if room is None else room.partial
        if room is None or partial is None or partial.full_state_no is None:
            return None
        if replay is None or replay.room is not room:
            replay = Replay(rooms=self._rooms, graph=self._graph, room=room, partial=partial)
        waiting = await replay.waiting()
        states, signatures = await replay.questions(waiting, told)
        if states or signatures:
            ids = {event.event_id for event in signatures}
            return Questions(states, [stored for stored in waiting if stored.event.event_id in ids])
        async with room.lock:
            if room.spoilt or room.partial is None:
                return replay if room.spoilt else None
            await room.settled()
            if len(waiting) > AT_LAST:
                done = self._store(room, await replay.advance(waiting[:AT_ONCE], told))
            else:
                newest = await replay.waiting()
                if any(await replay.questions(newest, told)):
                    return replay
                finish, done = await self._finish(replay, await replay.advance(newest, told))
                await durable(done)
                if finish.shown_again:
                    # Copies of events that are redacted no more may be anywhere in memory.
                    for event_nid in finish.shown_again:
                        self._rooms.cache.drop(event_nid)
                    room.spoilt = True
                    self._rooms.drop(room)
                return None
        await durable(done)
        return replay

    def _store(self, room: Room, rows: list[StateRows]) -> asyncio.Future[None]:
        """States that were made on the way."""
        append = Append(room=room, events=[], is_from_elsewhere=True, sends=False, states=rows)
        return self._appender.submit(append)

    async def _finish(self, replay: Replay, rows: list[StateRows]) -> tuple["_Finish", asyncio.Future[None]]:
        try:
            finish = _Finish(
                rooms=self._rooms, replay=replay, server_name=self._server_name, now_ms=self._now_ms, rows=rows
            )
            return finish, await finish.submit(self._appender)
        except BaseException:
            replay.room.spoilt = True
            self._rooms.drop(replay.room)
            raise


@dataclass(slots=True, kw_only=True)
class _Finish:
    """One room on its way to being full."""

    rooms: Rooms
    replay: Replay
    server_name: str
    now_ms: Callable[[], int]
    rows: list[StateRows]
    shown_again: list[int] = field(default_factory=list)
    """The numbers of events that are redacted no more, because the redaction has turned out not to be allowed."""
    append: Append = field(init=False)
    room: Room = field(init=False)
    partial: PartialRoom = field(init=False)

    def __post_init__(self) -> None:
        self.room, self.partial = self.replay.room, self.replay.partial
        self.append = Append(
            room=self.room,
            events=[],
            is_from_elsewhere=True,
            sends=False,
            states=self.rows,
            ends_partial=self.partial,
            redescribe=True,
        )

    async def submit(self, appender: Appender) -> asyncio.Future[None]:
        extremities = self._extremities()
        state_no = await self.replay.merge(extremities, set(), self.rows)
        mark = self.append.makes_full = msgspec.structs.replace(extremities[-1], pos=None)
        for stored, auth in self.replay.done.values():
            # Where branches met: what the room was like then is not known, and not told to anybody either.
            stored.head_before = None if stored.head_before is None else state_no
            self.append.placed.add(stored.event_nid)
            entry = Appended(stored=stored, auth=encode_auth(stored.event_nid, auth))
            if stored.status == ACCEPTED and stored.pos is None:
                self.append.events.append(entry)
            else:
                self.append.replayed.append(entry)
        await self._redact()
        differing = await self._differing(state_no)
        await self._move(mark, extremities, state_no, differing)
        self.append.also.append(lambda tx: self._save(tx, differing.keys() | set[int]()))
        return appender.submit(self.append)

    async def _redact(self) -> None:
        """Apply the redactions that are accepted now, and undo those that are not any more."""
        redactions = [self.replay.done[nid][0] for nid in self.replay.changed]
        targets = await self.rooms.cache.by_id([one.event.redacts for one in redactions if one.event.redacts])
        for redaction in redactions:
            target = targets.get(redaction.event.redacts or "")
            if target is None:
                continue
            target = self.replay.newest(target)
            if redaction.status != ACCEPTED and target.redacted_by == redaction.event_nid:
                self.shown_again.append(target.event_nid)
            elif redaction.status == ACCEPTED and target.redacted_by is None:
                state = await self.replay.entries(redaction.state_before or 0, [CREATE, POWER_LEVELS])
                if redaction_allowed(redaction.event, target.event, as_events(state)):
                    self.append.redactions.append((target, redaction))

    def _extremities(self) -> list[StoredEvent]:
        """The room's extremities: another verdict on an event may make it one, or no longer one."""
        replay, room = self.replay, self.room
        if not replay.changed:
            return [replay.newest(stored) for stored in room.extremities]
        # History that was fetched from before the join is behind all of them.
        by_id = {
            stored.event.event_id: stored
            for stored, _ in replay.done.values()
            if stored.pos is None or stored.pos & ((1 << POS_BITS) - 1) == 0
        }
        by_id |= {stored.event.event_id: replay.newest(stored) for stored in room.extremities}
        accepted = [stored for stored in by_id.values() if stored.status == ACCEPTED]
        behind = set[str]()
        wanted = [event_id for stored in accepted for event_id in stored.event.prev_events]
        while wanted:
            event_id = wanted.pop()
            if event_id not in behind:
                behind.add(event_id)
                stored = by_id.get(event_id)
                # What is not accepted is seen through.
                wanted += stored.event.prev_events if stored is not None and stored.status != ACCEPTED else ()
        found = [stored for stored in accepted if stored.event.event_id not in behind]
        return found or [replay.newest(stored) for stored in room.extremities]

    async def _differing(self, state_no: int) -> dict[int, int]:
        """By key what the room's full state has, 0 for nothing: where it is not what the full state at the join had
        of members, or the partial state may have said something.
        """
        history, replay = self.room.history, self.replay
        (join,) = (await self.rooms.cache.by_id([self.partial.join_event_id])).values()
        partial_no, full_no = join.state_before or 0, self.partial.full_state_no or 0
        keys = set(await history.load_state(known_state(partial_no)))
        await asyncio.sleep(0)  # Of a great room each of these takes some milliseconds.
        keys |= (await history.load_non_members(full_no)).keys()
        await asyncio.sleep(0)
        keys |= (await history.difference(partial_no, self.room.state_no)).keys()
        keys |= (await history.difference(full_no, state_no)).keys()
        await asyncio.sleep(0)
        replay.partial.corrected = await self._is_corrected(state_no)
        await asyncio.sleep(0)
        found = await history.get(state_no, keys)
        return {key_id: found.get(key_id, 0) for key_id in keys}

    async def _is_corrected(self, state_no: int) -> bool:
        """Whether anything but members of other servers that were not known is different from what was shown.

        Where branches have met it is not known any more what was.
        """
        later = [one for one, _ in self.replay.done.values() if one.event.event_id != self.partial.join_event_id]
        if any(stored.head_before is not None for stored in later):
            return True
        history = self.room.history
        before, after = await history.load_non_members(self.room.state_no), await history.load_non_members(state_no)
        return bool(self.replay.changed) or before != after

    async def _move(
        self, mark: StoredEvent, extremities: list[StoredEvent], state_no: int, differing: dict[int, int]
    ) -> None:
        """Move the room in memory, and note what has to be stored and told."""
        room, rooms = self.room, self.rooms
        keys = await rooms.keys.keys(rooms.db, list(differing))
        standing = {
            nid: self.replay.newest(stored) for nid, stored in (await rooms.cache.get(list(differing.values()))).items()
        }
        members = [key_id for key_id in differing if key_id >= MEMBER_KEYS]
        before = {key_id: await rooms.member(room, keys[key_id][1]) for key_id in members}
        at_join = await partial_state.memberships(rooms.db, room.room_nid, members)
        joined, invited = await partial_state.count_members(rooms.db, room.room_nid)
        room.forget_members()
        for key_id, nid in differing.items():
            key, stored = keys[key_id], standing.get(nid)
            if key_id < MEMBER_KEYS:
                room.set_entry(key, stored)
                self.append.current.append(CurrentEntry(key_id, nid, None))
                continue
            room.remember_member(key[1], stored)
            new = None if stored is None else MEMBERSHIPS.get(stored.event.membership or "")
            joined += (new == JOIN) - (at_join.get(key_id) == JOIN)
            invited += (new == INVITE) - (at_join.get(key_id) == INVITE)
            self.append.current.append(CurrentEntry(key_id, nid, new))
            former = before[key_id]
            old = None if former is None else MEMBERSHIPS.get(former.event.membership or "")
            if (None if former is None else former.event_nid) != (nid or None):
                self.append.members.append(
                    MembershipChange(
                        user_id=key[1],
                        user_nid=key_id,
                        event_nid=nid or mark.event_nid,
                        membership=new or LEAVE,
                        previous=old,
                        is_local=domain_of(key[1]) == self.server_name,
                        by=mark,
                    )
                )
        room.extremities = list(extremities)
        room.state_no = state_no
        room.joined_members, room.invited_members = joined, invited

    async def _save(self, tx: Tx, changed: Collection[int]) -> None:
        room, mark = self.room, self.append.makes_full
        await events.mark_redacted(tx, [(nid, None) for nid in self.shown_again])
        await partial_state.make_current(tx, room.room_nid, but=changed)
        pos = 0 if mark is None else mark.stream_pos
        guessed = [self.replay.done[nid][0].event.event_id for nid in self.replay.guessed]
        now_ms = self.now_ms()
        await partial_state.finish(tx, room.room_nid, room.room_id, now_ms=now_ms, pos=pos, but=guessed)
