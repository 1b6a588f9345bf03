"""The rooms of a space and of the spaces in it, page by page.

Spec: client-server API, "Discovering rooms within spaces". Depth first, in the order of the children; each room once, so
that circles end. A page token counts the rooms that have been shown: the walk is repeated, which costs what the spaces
before it cost, and nothing is kept between requests.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from ranvier.proto.errors import forbidden, invalid_param
from ranvier.proto.events import Event
from ranvier.proto.space_children import SPACE, space_children
from ranvier.rooms.outside_view import Viewpoint, viewpoint
from ranvier.rooms.rooms import Rooms
from ranvier.store import room_descriptions as store
from ranvier.store.room_descriptions import RoomSummary

LIMIT: Final = 100
DEFAULT_LIMIT: Final = 50
MAX_DEPTH: Final = 100

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
    children: list[Event]


class Hierarchy:
    """Walks spaces."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms

    async def page(
        self, user_id: str, walk: Walk, *, limit: int | None, since: str | None
    ) -> tuple[list[TreeRoom], str | None]:
        """Rooms of the tree that the user may know about, and the token of the next page.

        Raises 403 `M_FORBIDDEN` if the root is not one of them, 400 `M_INVALID_PARAM`. A statement for each space that
        is not in memory, and one for the children of each.
        """
        size = DEFAULT_LIMIT if limit is None else min(limit, LIMIT)
        view = await viewpoint(self._rooms, user_id)
        root = (await store.by_ids(self._rooms.db, [walk.room_id])).get(walk.room_id)
        if root is None or not view.sees(root):
            raise forbidden("You may not look into this room")
        shown = walk.shown(root, since)
        page: list[TreeRoom] = []
        number = 0
        async with aclosing(self._walk(root, view, walk)) as rooms:
            async for room in rooms:
                if len(page) == size:
                    return page, walk.token(root, shown + size)
                if number >= shown:
                    page.append(room)
                number += 1
        return page, None

    async def _walk(self, root: RoomSummary, view: Viewpoint, walk: Walk) -> AsyncGenerator[TreeRoom, None]:
        known: dict[str, RoomSummary] = {root.room_id: root}
        met: set[str] = set()
        waiting = [(root.room_id, 0)]
        while waiting:
            room_id, depth = waiting.pop()
            summary = known.pop(room_id, None)
            if room_id in met or summary is None or not view.sees(summary):
                continue
            met.add(room_id)
            children = await self._children(summary, walk)
            if children and depth < walk.max_depth:
                ids = [child.state_key for child in children if child.state_key and child.state_key not in met]
                known |= await store.by_ids(self._rooms.db, ids)
                waiting += [(child_id, depth + 1) for child_id in reversed(ids)]
            yield TreeRoom(summary, children)

    async def _children(self, summary: RoomSummary, walk: Walk) -> list[Event]:
        if summary.room_type != SPACE:
            return []
        room = await self._rooms.find(summary.room_id)
        state = [] if room is None else [stored.event for stored in room.state.values()]
        return space_children(state, suggested_only=walk.suggested_only)
