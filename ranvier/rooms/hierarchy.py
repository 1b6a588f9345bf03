"""The rooms of a space and of the spaces in it, page by page.

Spec: client-server API, "Discovering rooms within spaces". Depth first, in the order of the children; each room once, so
that circles end. A page token counts the rooms that have been shown: the walk is repeated, which costs what the spaces
before it cost, and nothing is kept between requests (but what other servers told is, by those who asked them).
"""

import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from ranvier.proto.errors import forbidden, invalid_param
from ranvier.proto.ids import domain_of, is_room_id
from ranvier.proto.space_children import SPACE, Child, servers_of, space_children
from ranvier.rooms.outside_view import EVERYWHERE, Viewpoint, viewpoint
from ranvier.rooms.remote_rooms import NowhereElse, RemoteSpace, RemoteSpaces
from ranvier.rooms.rooms import Rooms
from ranvier.store import room_descriptions as store
from ranvier.store.room_descriptions import RoomSummary

LIMIT: Final = 100
DEFAULT_LIMIT: Final = 50
MAX_DEPTH: Final = 100
ASKED: Final = 50
"""How many rooms other servers are asked about for one page."""
AT_ONCE: Final = 10

_TOKEN: Final = re.compile(r"h([0-9]{1,15})_([0-9]{1,9})_([0-9]{1,3})_([01])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What part of the tree is wanted."""

    room_id: str
    suggested_only: bool = False
    max_depth: int = MAX_DEPTH

    def token(self, root: RoomSummary, shown: int) -> str:
        """Where the walk goes on after so many rooms."""
        return f"h{root.room_nid}_{shown}_{self.max_depth}_{int(self.suggested_only)}"

    def shown(self, root: RoomSummary, token: str | None) -> int:
        """How many rooms have been shown before. Raises 400 for a token that is not of this walk."""
        if token is None:
            return 0
        found = _TOKEN.fullmatch(token)
        if found is None or int(found[1]) != root.room_nid:
            raise invalid_param("from: not a token of this space")
        if (int(found[3]), int(found[4])) != (self.max_depth, int(self.suggested_only)):
            raise invalid_param("suggested_only and max_depth cannot change between pages")
        return int(found[2])


@dataclass(frozen=True, slots=True)
class TreeRoom:
    """A room of the tree."""

    summary: RoomSummary
    children: Sequence[Child]


class Hierarchy:
    """Walks spaces."""

    def __init__(self, *, rooms: Rooms, remote: RemoteSpaces | None = None) -> None:
        self._rooms = rooms
        self.remote: RemoteSpaces = remote or NowhereElse()

    async def page(
        self, user_id: str | None, walk: Walk, *, limit: int | None, since: str | None
    ) -> tuple[list[TreeRoom], str | None]:
        """Rooms of the tree that the user may know about (`None`: all of them), and the token of the next page.

        Raises 403 `M_FORBIDDEN` if the root is not one of them, 400 `M_INVALID_PARAM`. A statement for each space that
        is not in memory, and one for the children of each.
        """
        size = DEFAULT_LIMIT if limit is None else min(limit, LIMIT)
        view = EVERYWHERE if user_id is None else await viewpoint(self._rooms, user_id)
        reading = _Reading(self._rooms, self.remote, walk)
        root = await reading.root()
        if root is None or not view.sees(root):
            raise forbidden("You may not look into this room")
        shown = walk.shown(root, since)
        page: list[TreeRoom] = []
        number = 0
        async with aclosing(_walk(reading, view, walk)) as rooms:
            async for room in rooms:
                if len(page) == size:
                    return page, walk.token(root, shown + size)
                if number >= shown:
                    page.append(room)
                number += 1
        return page, None


@dataclass(slots=True)
class _Reading:
    """What is known, during one walk, of the rooms that it may come to."""

    rooms: Rooms
    remote: RemoteSpaces
    walk: Walk
    known: dict[str, RoomSummary] = field(default_factory=dict)
    """Rooms of this server."""
    told: dict[str, RemoteSpace | None] = field(default_factory=dict)
    """What other servers told of the rooms that they were asked about."""
    described: dict[str, RoomSummary] = field(default_factory=dict)
    """What they told of the children of these."""
    servers: dict[str, list[str]] = field(default_factory=dict)
    """Through whom rooms may be found."""
    inaccessible: set[str] = field(default_factory=set)

    async def root(self) -> RoomSummary | None:
        """The root, which the server in its id may know if this one does not."""
        room_id = self.walk.room_id
        await self.meet([room_id])
        if room_id in self.known:
            return self.known[room_id]
        if is_room_id(room_id):
            self.servers[room_id] = [domain_of(room_id)]
        told = await self.look(room_id, ())
        return None if told is None else told.summary

    async def meet(self, room_ids: Sequence[str]) -> None:
        """These rooms may come next. At most one statement."""
        unmet = [room_id for room_id in room_ids if room_id not in self.known]
        if unmet:
            self.known |= await store.by_ids(self.rooms.db, unmet)

    async def look(self, room_id: str, coming: Iterable[str]) -> TreeRoom | None:
        """The room, if anybody tells of it. Other servers are asked about some of those that are `coming` too."""
        local = self.known.get(room_id)
        if local is not None:
            return TreeRoom(local, await self._children(local))
        described = self.described.get(room_id)
        if described is not None and described.room_type != SPACE:
            return TreeRoom(described, [])
        if room_id not in self.told:
            await self._ask([room_id, *coming])
        found = self.told.get(room_id)
        if found is None:
            return None if described is None else TreeRoom(described, [])
        self.described |= found.children
        self.inaccessible |= found.inaccessible
        return TreeRoom(found.room, space_children(found.children_state, suggested_only=self.walk.suggested_only))

    async def enter(self, room: TreeRoom) -> list[str]:
        """The room's children, in order; they may come next."""
        ids = [child.state_key for child in room.children if child.state_key]
        for child in room.children:
            self.servers.setdefault(child.state_key or "", servers_of(child))
        await self.meet(ids)
        return ids

    async def _children(self, summary: RoomSummary) -> Sequence[Child]:
        if summary.room_type != SPACE:
            return []
        room = await self.rooms.find(summary.room_id)
        state = [] if room is None else [stored.event for stored in room.state.values()]
        return space_children(state, suggested_only=self.walk.suggested_only)

    async def _ask(self, room_ids: Iterable[str]) -> None:
        wanted: dict[str, list[str]] = {}
        for room_id in room_ids:
            if len(wanted) == AT_ONCE or len(self.told) + len(wanted) >= ASKED:
                break
            described = self.described.get(room_id)
            is_leaf = described is not None and described.room_type != SPACE
            unknown = room_id not in self.known and room_id not in self.told and room_id not in self.inaccessible
            if unknown and not is_leaf and self.servers.get(room_id):
                wanted[room_id] = self.servers[room_id]
        found: Mapping[str, RemoteSpace] = {}
        if wanted:
            found = await self.remote.spaces(wanted, suggested_only=self.walk.suggested_only)
        self.told |= {room_id: found.get(room_id) for room_id in wanted}


async def _walk(reading: _Reading, view: Viewpoint, walk: Walk) -> AsyncGenerator[TreeRoom, None]:
    met: set[str] = set()
    waiting = [(walk.room_id, 0)]
    while waiting:
        room_id, depth = waiting.pop()
        if room_id in met:
            continue
        coming = (other for other, _ in reversed(waiting) if other not in met)
        room = await reading.look(room_id, coming)
        if room is None or not view.sees(room.summary):
            continue
        met.add(room_id)
        if room.children and depth < walk.max_depth:
            ids = await reading.enter(room)
            waiting += [(child_id, depth + 1) for child_id in reversed(ids) if child_id not in met]
        yield room
