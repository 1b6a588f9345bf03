"""The published directory of this server: what is in it, and who puts it there.

Spec: client-server API, "Published room directory".
"""

import re
from dataclasses import replace
from typing import Final

from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.errors import forbidden, invalid_param, not_found
from ranvier.rooms.directory_rules import DirectoryRules
from ranvier.rooms.remote_rooms import DirectoryPage, DirectorySearch, NowhereElse, RemoteDirectories
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import aliases
from ranvier.store import public_rooms as store
from ranvier.store.public_rooms import DirectoryFilter
from ranvier.store.room_descriptions import RoomSummary
from ranvier.users.requester import Requester

LIMIT: Final = 500
"""The most rooms on a page, and how many there are if the client does not say."""

NO_ROOMS: Final = DirectoryPage(rooms=[], next_batch=None, prev_batch=None, total=0)

_TOKEN: Final = re.compile(r"([np])([0-9]{1,15})_([0-9]{1,18})", re.ASCII)


class PublicRooms:
    """The directory."""

    def __init__(
        self, *, rooms: Rooms, rules: DirectoryRules, searchable: bool, remote: RemoteDirectories | None = None
    ) -> None:
        self._rooms = rooms
        self.remote: RemoteDirectories = remote or NowhereElse()
        self._rules = rules
        self._searchable = searchable

    async def page_of(self, server_name: str, search: DirectorySearch) -> DirectoryPage:
        """Rooms of another server's directory. Raises its error, or 502. Empty where room lists are switched off."""
        if not self._searchable:
            return NO_ROOMS
        return await self.remote.page(server_name, search)

    async def page(self, search: DirectorySearch, *, federated_only: bool = False) -> DirectoryPage:
        """Rooms of the directory, from the place that the token `since` stands for. Two statements.

        `federated_only` leaves out those that users of other servers cannot join. Raises 400 `M_INVALID_PARAM`. Empty
        where the server's room list is switched off, and for networks: none is bridged into the directory.
        """
        if search.third_party_instance_id is not None:
            if search.include_all_networks:
                raise invalid_param("third_party_instance_id: only without include_all_networks")
            return NO_ROOMS
        since = search.since
        if not self._searchable:
            return NO_ROOMS
        backwards, place = (False, store.FIRST) if since is None else _place(since)
        size = LIMIT if not search.limit else min(search.limit, LIMIT)
        found = await store.page(
            self._rooms.db,
            _filter(search, federated_only=federated_only),
            after=place,
            backwards=backwards,
            limit=size + 1,
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


def _filter(search: DirectorySearch, *, federated_only: bool) -> DirectoryFilter:
    folded = search.term.replace("\0", "\ufffd").casefold().strip() if search.term else None
    wanted = DirectoryFilter(term=folded or None, federated_only=federated_only)
    if search.room_types is None:
        return wanted
    types = [type_ for type_ in search.room_types if type_ is not None and "\0" not in type_]
    return replace(wanted, room_types=types, untyped=None in search.room_types)


def _place(token: str) -> tuple[bool, tuple[int, int]]:
    """Whether a token leads backwards, and where it stands."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise invalid_param("since: not a token of this server")
    return found[1] == "p", (int(found[2]), int(found[3]))


def _token(direction: str, room: RoomSummary) -> str:
    return f"{direction}{room.joined_members}_{room.room_nid}"
