"""A space and its children, as far as another server's users could look into them or join.

Spec: server-server API, "Spaces".
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from ranvier.proto.errors import not_found
from ranvier.proto.events import Event
from ranvier.proto.server_acl import SERVER_ACL, acl_allows
from ranvier.proto.space_children import SPACE, space_children
from ranvier.rooms.outside_view import join_rule
from ranvier.rooms.remote_rooms import HostsOf
from ranvier.rooms.rooms import Rooms
from ranvier.store import room_descriptions as store
from ranvier.store import room_entries, server_members
from ranvier.store.room_descriptions import RoomSummary
from ranvier.store.rooms import INVITE

CHILDREN: Final = 500
"""The most children of one answer."""
OPEN_RULES: Final = frozenset(("public", "knock", "knock_restricted"))


@dataclass(frozen=True, slots=True)
class ServedSpace:
    """A room and, if it is a space, what is in it."""

    room: RoomSummary
    children_state: list[Event] = field(default_factory=list)
    children: list[RoomSummary] = field(default_factory=list)
    inaccessible: list[str] = field(default_factory=list)
    """Ids of children that the server could not get into."""


class HierarchyServing:
    """Describes rooms to other servers."""

    def __init__(self, *, rooms: Rooms, hosts_of: HostsOf, server_name: str) -> None:
        self._rooms = rooms
        self._hosts_of = hosts_of
        self._server_name = server_name

    async def space(self, origin: str, room_id: str, *, suggested_only: bool) -> ServedSpace:
        """The room with its children. Raises 404 if we are not in it, or if the server could not get into it.

        A handful of statements; rooms that are not open to everybody may each cost a few more.
        """
        found = await store.by_ids(self._rooms.db, [room_id])
        root = await self._rooms.find(room_id)
        if root is None or self._server_name not in await self._hosts_of(root):
            raise not_found("The room is not known")
        if room_id not in await self._accessible(origin, found.values()):
            raise not_found("The room is not known")
        summary = found[room_id]
        if summary.room_type != SPACE:
            return ServedSpace(summary)
        state = [stored.event for stored in root.state.values()]
        events = space_children(state, suggested_only=suggested_only)[:CHILDREN]
        ids = [event.state_key for event in events if event.state_key is not None and event.state_key != room_id]
        described = await store.by_ids(self._rooms.db, ids) if ids else {}
        # Nobody is let into an empty room from elsewhere.
        known = {child: room for child, room in described.items() if room.joined_members}
        accessible = await self._accessible(origin, known.values())
        return ServedSpace(
            summary,
            events,
            [known[child] for child in ids if child in accessible],
            [child for child in ids if child in known and child not in accessible],
        )

    async def _accessible(self, origin: str, rooms: Collection[RoomSummary]) -> set[str]:
        """The ids of those that the server's users could look into or join."""
        if not rooms:
            return set()
        kept_out = await self._kept_out(origin, rooms)
        invited = await self._invited(origin, rooms)
        present: dict[str, bool] = {}
        accessible = set[str]()
        for room in rooms:
            if room.room_nid in kept_out:
                continue
            is_open = room.history_visibility == "world_readable" or join_rule(room) in OPEN_RULES
            if (
                (room.federate and (is_open or room.room_nid in invited))
                or await self._is_in(origin, [room.room_id], present)
                or (
                    room.federate
                    and join_rule(room) == "restricted"
                    and await self._is_in(origin, room.allowed, present)
                )
            ):
                accessible.add(room.room_id)
        return accessible

    async def _kept_out(self, origin: str, rooms: Iterable[RoomSummary]) -> set[int]:
        """The numbers of those whose ACL refuses the server. Two statements at most."""
        key_id = await self._rooms.keys.find(self._rooms.db, SERVER_ACL)
        if key_id is None:
            return set()
        lists = await room_entries.of_rooms(self._rooms.db, [room.room_nid for room in rooms], key_id)
        events = await self._rooms.cache.get(list(lists.values()))
        return {
            room_nid
            for room_nid, event_nid in lists.items()
            if event_nid in events and not acl_allows(events[event_nid].event, origin)
        }

    async def _invited(self, origin: str, rooms: Iterable[RoomSummary]) -> set[int]:
        closed = [room.room_nid for room in rooms if join_rule(room) not in OPEN_RULES]
        return await server_members.rooms_with_member(self._rooms.db, closed, origin, [INVITE]) if closed else set()

    async def _is_in(self, origin: str, room_ids: Iterable[str], present: dict[str, bool]) -> bool:
        """Whether the server is in one of these rooms, as far as we know; `present` remembers answers."""
        for room_id in room_ids:
            if room_id not in present:
                room = await self._rooms.find(room_id)
                hosts = () if room is None else await self._hosts_of(room)
                present[room_id] = origin in hosts and self._server_name in hosts
            if present[room_id]:
                return True
        return False
