"""Reading a room's state and members.

Spec: client-server API, "Getting events for a room" (`/state`, `/members`, `/joined_members`).
"""

from collections.abc import Collection
from typing import Any

from ranvier.proto.errors import forbidden, not_found
from ranvier.proto.events import StateKey
from ranvier.proto.ids import domain_of
from ranvier.rooms.access import Access, Now, Until
from ranvier.rooms.full_room import FullRoom, all_members, full_room, whole_state
from ranvier.rooms.member_lists import MemberLists
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import rooms as store
from ranvier.store.events import FIRST_POS, StoredEvent, timeline_rows
from ranvier.store.rooms import JOIN, MEMBERSHIPS
from ranvier.store.state_keys import MEMBER_KEYS
from ranvier.users.requester import Requester


class StateReading:
    """Answers questions about state, as far as the asker may know."""

    def __init__(self, *, rooms: Rooms, access: Access, member_lists: MemberLists) -> None:
        self._rooms = rooms
        self._access = access
        self._member_lists = member_lists

    async def state(self, requester: Requester, room_id: str) -> list[StoredEvent]:
        """The whole state that the user may see. Raises 403, or 503 if not every member is known yet."""
        view, room = await self._all_of(requester.user_id, room_id)
        if isinstance(view, Now):
            members = await self._current_members(room, MEMBERSHIPS.values())
            return [*view.room.state.values(), *members]
        entries = await view.room.history.load_state(whole_state(room, view.last.state_before or 0))
        return await self._events({**entries, **view.changed}.values())

    async def entry(self, requester: Requester, room_id: str, key: StateKey) -> StoredEvent:
        """One state entry. Raises 403, or 404 `M_NOT_FOUND` if it is not set.

        Members of other servers of whom nothing is known yet are waited for, 503 if that takes too long.
        """
        view = await self._access.to_state(requester.user_id, room_id)
        found = await self._entry(view, key)
        if found is None and view.room.partial is not None and _is_elsewhere(key, requester):
            view, _ = await self._all_of(requester.user_id, room_id)
            found = await self._entry(view, key)
        if found is None:
            raise not_found("No such state event")
        return found

    async def _entry(self, view: Now | Until, key: StateKey) -> StoredEvent | None:
        found = None
        if isinstance(view, Now):
            if key[0] == "m.room.member":
                found = await self._rooms.member(view.room, key[1])
            else:
                found = view.room.state.get(key)
        else:
            key_id = await self._rooms.keys.find(self._rooms.db, key)
            if key_id is not None:
                entries = await view.room.history.get(view.last.state_before or 0, [key_id])
                nid = {**entries, **view.changed}.get(key_id)
                found = None if nid is None else (await self._events([nid]))[0]
        return found

    async def members(
        self,
        requester: Requester,
        room_id: str,
        *,
        membership: str | None = None,
        not_membership: str | None = None,
        at: int | None = None,
    ) -> list[StoredEvent]:
        """Member events, of those with `membership` or without `not_membership` where given.

        `at` is a position in the room's timeline: the members at that point. Raises 403, or 503 if they are not known
        yet.
        """
        view, room = await self._all_of(requester.user_id, room_id)
        names = _wanted(membership, not_membership)
        if isinstance(view, Now) and (at is None or at >= view.room.last_pos):
            return await self._current_members(room, [MEMBERSHIPS[name] for name in names])
        last = view.last if not isinstance(view, Now) else None
        if at is not None and (last is None or at < (last.pos or 0)):
            last = await self._event_at(view.room, at)
        if last is None:
            # Before all that is known here is the state in which the first event has found the room.
            first = await self._first_event(view.room)
            entries = await view.room.history.load_state(
                whole_state(room, 0 if first is None else first.state_before or 0)
            )
        else:
            entries = await view.room.history.load_state(whole_state(room, last.state_before or 0))
            if last.key_id is not None:
                entries = {**entries, last.key_id: last.event_nid}
        events = await self._events([nid for key_id, nid in entries.items() if key_id >= MEMBER_KEYS])
        return [stored for stored in events if stored.event.membership in names]

    async def present_members(
        self, requester: Requester, room_id: str, *, membership: str | None = None, not_membership: str | None = None
    ) -> Collection[bytes] | None:
        """The member events of now as clients see them. One statement the first time, then none.

        `None` if the user may not see what is now, or if one of the events is redacted: `members` is for that. Raises
        like `members`.
        """
        view, room = await self._all_of(requester.user_id, room_id)
        if not isinstance(view, Now):
            return None
        return await self._member_lists.of(room, [MEMBERSHIPS[name] for name in _wanted(membership, not_membership)])

    async def joined_members(self, requester: Requester, room_id: str) -> dict[str, dict[str, Any]]:
        """`user_id -> {"display_name", "avatar_url"}` of everyone in the room. Raises 403 unless the user is in it.

        503 if not every member is known yet.
        """
        view, room = await self._all_of(requester.user_id, room_id)
        if await self._rooms.membership(view.room, requester.user_id) != "join":
            raise forbidden("You are not in this room")
        joined = await self._current_members(room, [JOIN])
        return {stored.event.state_key or "": _profile(stored) for stored in joined}

    async def _all_of(self, user_id: str, room_id: str) -> tuple[Now | Until, FullRoom]:
        """What the user may read, in the room once it is full. Nobody waits for what they may not see."""
        view = await self._access.to_state(user_id, room_id)
        was_partial = view.room.partial is not None
        room = await full_room(self._rooms, view.room)
        if was_partial:
            view = await self._access.to_state(user_id, room_id)
        return view, room

    async def _current_members(self, room: FullRoom, memberships: Collection[int]) -> list[StoredEvent]:
        rows = await store.current_members(self._rooms.db, all_members(room), memberships)
        return await self._rooms.cache.from_rows(rows)

    async def _event_at(self, room: Room, pos: int) -> StoredEvent | None:
        """The newest event at or before a position."""
        rows = await timeline_rows(
            self._rooms.db, room.room_nid, after=FIRST_POS, before=pos + 1, limit=1, backwards=True
        )
        events = await self._rooms.cache.from_rows(rows)
        return events[0] if events else None

    async def _first_event(self, room: Room) -> StoredEvent | None:
        """The oldest event of the room's timeline that is here."""
        rows = await timeline_rows(
            self._rooms.db, room.room_nid, after=FIRST_POS, before=room.last_pos + 1, limit=1, backwards=False
        )
        events = await self._rooms.cache.from_rows(rows)
        return events[0] if events else None

    async def _events(self, nids: Collection[int]) -> list[StoredEvent]:
        return list((await self._rooms.cache.get(list(nids))).values())


def _wanted(membership: str | None, not_membership: str | None) -> Collection[str]:
    """Memberships that are `membership`, or are not `not_membership`, where given."""
    if membership is None and not_membership is None:
        return MEMBERSHIPS
    return {
        name for name in MEMBERSHIPS if name == membership or (not_membership is not None and name != not_membership)
    }


def _is_elsewhere(key: StateKey, requester: Requester) -> bool:
    """Whether a state entry is about a user of another server."""
    return key[0] == "m.room.member" and domain_of(key[1]) != domain_of(requester.user_id)


def _profile(member: StoredEvent) -> dict[str, Any]:
    content = member.event.content
    names = {"display_name": content.get("displayname"), "avatar_url": content.get("avatar_url")}
    return {key: value for key, value in names.items() if isinstance(value, str)}
