"""The published directory of this server: what is in it, and who puts it there.

Spec: client-server API, "Published room directory".
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.errors import forbidden, invalid_param, not_found
from ranvier.rooms.directory_rules import DirectoryRules
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import aliases
from ranvier.store import public_rooms as store
from ranvier.store.public_rooms import DirectoryFilter
from ranvier.store.room_descriptions import RoomSummary
from ranvier.users.requester import Requester

LIMIT: Final = 500
"""The most rooms on a page, and how many there are if the client does not say."""

_TOKEN: Final = re.compile(r"([np])([0-9]{1,15})_([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryPage:
    """Part of the directory."""

    rooms: list[RoomSummary]
    next_batch: str | None
    prev_batch: str | None
    total: int


class PublicRooms:
    """The directory."""

    def __init__(self, *, rooms: Rooms, rules: DirectoryRules, searchable: bool) -> None:
        self._rooms = rooms
        self._rules = rules
        self._searchable = searchable

    async def page(
        self,
        *,
        since: str | None = None,
        limit: int | None = None,
        term: str | None = None,
        room_types: Collection[str | None] | None = None,
    ) -> DirectoryPage:
        """Rooms of the directory, from the place that the token `since` stands for. Two statements.

        Raises 400 `M_INVALID_PARAM`. Empty where the server's room list is switched off.
        """
        if not self._searchable:
            return DirectoryPage(rooms=[], next_batch=None, prev_batch=None, total=0)
        backwards, place = (False, store.FIRST) if since is None else _place(since)
        size = LIMIT if not limit else min(limit, LIMIT)
        found = await store.page(
            self._rooms.db, _filter(term, room_types), after=place, backwards=backwards, limit=size + 1
        )
        more, found = len(found) > size, found[:size]
        total = await store.count(self._rooms.db)
        if backwards:
            found.reverse()
        goes_on, went_before = (since is not None, more) if backwards else (more, since is not None)
        return DirectoryPage(
            rooms=found,
            next_batch=_token("n", found[-1]) if found and goes_on else None,
            prev_batch=_token("p", found[0]) if found and went_before else None,
            total=total,
        )

    async def is_published(self, room_id: str) -> bool:
        """Whether the room is in the directory. Raises 404."""
        room = await self._rooms.find(room_id)
        if room is None:
            raise not_found("Unknown room")
        return await store.is_published(self._rooms.db, room.room_nid)

    async def publish(self, requester: Requester, room_id: str, *, published: bool) -> None:
        """Put a room into the directory, or take it out.

        Raises 404, and 403 unless the user is a server admin, or a member who may change the room's canonical alias.
        """
        room = await self._rooms.get(room_id)
        if not requester.is_admin:
            await self._check_power(requester, room)
        if published and not self._rules.allow(
            user_id=requester.user_id,
            room_id=room_id,
            aliases=await aliases.of_room(self._rooms.db, room.room_nid),
        ):
            raise forbidden("This server does not let you publish this room")
        async with self._rooms.db.write() as tx:
            await store.set_published(tx, room.room_nid, published=published)

    async def _check_power(self, requester: Requester, room: Room) -> None:
        if await self._rooms.membership(room, requester.user_id) != "join":
            raise forbidden("You are not in this room")
        levels = power_levels(room)
        if levels.user_level(requester.user_id) < levels.required_level("m.room.canonical_alias", is_state=True):
            raise forbidden("You may not publish this room")


def _filter(term: str | None, room_types: Collection[str | None] | None) -> DirectoryFilter:
    folded = term.replace("\0", "\ufffd").casefold().strip() if term else None
    if room_types is None:
        return DirectoryFilter(term=folded or None)
    types = [type_ for type_ in room_types if type_ is not None and "\0" not in type_]
    return DirectoryFilter(term=folded or None, room_types=types, untyped=None in room_types)


def _place(token: str) -> tuple[bool, tuple[int, int]]:
    """Whether a token leads backwards, and where it stands."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise invalid_param("since: not a token of this server")
    return found[1] == "p", (int(found[2]), int(found[3]))


def _token(direction: str, room: RoomSummary) -> str:
    return f"{direction}{room.joined_members}_{room.room_nid}"
