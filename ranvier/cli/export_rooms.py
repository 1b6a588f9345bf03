"""What an export holds of a room: the events that the user may see, its state, or what they were told at its door."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from ranvier.cli.export_folder import ExportFolder, folder_name
from ranvier.db.engine import Database
from ranvier.proto.client_events import client_event, stripped_fields
from ranvier.proto.handshakes.told_state import TOLD
from ranvier.proto.visibility import HISTORY_VISIBILITY, visibility_of, visible
from ranvier.state.history import RoomHistory, known_state
from ranvier.store import events as event_store
from ranvier.store import rooms as room_store
from ranvier.store import stripped_states
from ranvier.store.event_cache import EventCache
from ranvier.store.events import FIRST_POS, StoredEvent
from ranvier.store.rooms import INVITE, JOIN, KNOCK, Membership
from ranvier.store.state_keys import StateKeys

_AT_ONCE: Final = 500
_DOOR: Final = {INVITE: "invite_state", KNOCK: "knock_state"}


@dataclass(slots=True, kw_only=True)
class RoomExport:
    """One room, as one user may see it."""

    db: Database
    folder: ExportFolder
    keys: StateKeys
    user_id: str
    room_id: str
    membership: Membership
    _cache: EventCache = field(init=False)
    _left_at: int | None = field(init=False, default=None)
    """For a former member, the position of the event that ended their last time in the room."""
    _at: dict[int, tuple[StoredEvent | None, StoredEvent | None]] = field(init=False, default_factory=dict)
    """The history visibility and the user's membership in states that were asked for."""

    def __post_init__(self) -> None:
        self._cache = EventCache(db=self.db, size=4 * _AT_ONCE)

    async def write(self) -> int:
        """Write the folder of the room; how many events are in it."""
        name = f"rooms/{folder_name(self.room_id)}"
        history = await RoomHistory.load(self.db, self.membership.room_nid)
        door = _DOOR.get(self.membership.membership)
        if door is not None:
            self.folder.write_lines(f"{name}/{door}", await self._told_at_the_door(history))
        last = await self._last_of_stay()
        number = 0
        if self.membership.membership == JOIN or last is not None:
            number = await self._write_events(name, history)
            await self._write_state(name, history, last)
        self.folder.finished(name)
        return number

    async def _told_at_the_door(self, history: RoomHistory) -> list[Any]:
        """The stripped state that came with an invitation, or with the answer to a knock."""
        stripped = await stripped_states.find(self.db, self.membership.user_nid, self.membership.room_nid)
        if stripped is not None:
            told: list[Any] = orjson.loads(stripped)
            return told
        member = await self._event(self.membership.event_nid)
        if member is None:
            return []
        nids = [member.event_nid]
        if member.state_before is not None:
            found = [await self.keys.find(self.db, key) for key in TOLD]
            state = await history.get(member.state_before, [key_id for key_id in found if key_id is not None])
            nids = [*state.values(), *nids]
        events = await self._cache.get(nids)
        return [stripped_fields(events[nid].event) for nid in nids if nid in events]

    async def _last_of_stay(self) -> StoredEvent | None:
        """The event that ended the user's last time in the room; `None` while they are in it, or if they never were."""
        member = await self._event(self.membership.event_nid)
        while member is not None and member.event.membership != "join" and member.replaces is not None:
            before = await self._event(member.replaces)
            if before is not None and before.event.membership == "join":
                self._left_at = member.pos
                return member
            member = before
        return None

    async def _event(self, event_nid: int) -> StoredEvent | None:
        return (await self._cache.get([event_nid])).get(event_nid)

    async def _write_events(self, name: str, history: RoomHistory) -> int:
        note = self.folder.note
        if note.room != name:
            note.room, note.pos, note.size_bytes = name, FIRST_POS, 0
        end = (note.upto_pos + 1) << event_store.POS_BITS
        end = end if self._left_at is None else min(end, self._left_at + 1)
        number = 0
        descriptor = self.folder.open_at(f"{name}/events", note.size_bytes)
        try:
            while rows := await event_store.timeline_rows(
                self.db, self.membership.room_nid, after=note.pos, before=end, limit=_AT_ONCE, backwards=False
            ):
                page = await self._cache.from_rows(rows)
                lines = [_line(stored) for stored in page if await self._may_see(history, stored)]
                number += len(lines)
                note.size_bytes += os.write(descriptor, b"".join(lines))
                note.pos = page[-1].pos or 0
                os.fsync(descriptor)
                self.folder.save()
                self._at.clear()
        finally:
            os.close(descriptor)
        return number

    async def _may_see(self, history: RoomHistory, stored: StoredEvent) -> bool:
        if stored.state_before is None or stored.pos is None:
            return False
        if stored.state_before not in self._at:
            self._at[stored.state_before] = await self._rule_and_member(history, stored.state_before)
        rule, member = self._at[stored.state_before]
        return visible(
            stored.event,
            self.user_id,
            visibility=visibility_of(None if rule is None else rule.event),
            membership=None if member is None else member.event.membership,
            joined_later=self._left_at is None or stored.pos < self._left_at,
        )

    async def _rule_and_member(
        self, history: RoomHistory, state_no: int
    ) -> tuple[StoredEvent | None, StoredEvent | None]:
        rule = await self.keys.find(self.db, HISTORY_VISIBILITY)
        wanted = [self.membership.user_nid, *([] if rule is None else [rule])]
        entries = await history.get(state_no, wanted)
        events = await self._cache.get(list(entries.values()))
        found = {key_id: events.get(nid) for key_id, nid in entries.items()}
        return None if rule is None else found.get(rule), found.get(self.membership.user_nid)

    async def _write_state(self, name: str, history: RoomHistory, last: StoredEvent | None) -> None:
        """The state now, or as the user has left it."""
        if last is None:
            heads = await room_store.heads(self.db, [self.membership.room_nid])
            state_no = heads[0].state_no if heads else 0
        else:
            state_no = last.state_before or 0
        state = await history.load_state(known_state(state_no)) if state_no else {}
        if last is not None and last.key_id is not None:
            state[last.key_id] = last.event_nid
        await self._write_state_events(f"{name}/state", sorted(state.values()))

    async def _write_state_events(self, name: str, event_nids: Sequence[int]) -> None:
        descriptor = self.folder.open_at(name, 0)
        try:
            for begin in range(0, len(event_nids), _AT_ONCE):
                events = await self._cache.get(event_nids[begin : begin + _AT_ONCE])
                os.write(descriptor, b"".join(_line(events[nid]) for nid in sorted(events)))
        finally:
            os.close(descriptor)


def _line(stored: StoredEvent) -> bytes:
    return client_event(stored.event, room_id=True) + b"\n"
