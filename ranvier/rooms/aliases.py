"""Names of rooms: looking them up, giving them, taking them away.

Spec: client-server API, "Room Aliases". The aliases of a server belong to the server and not to the room's state; only
`m.room.canonical_alias`, which lists some of them, does.
"""

from collections.abc import Sequence
from typing import Any, Final

from ranvier.db.engine import UniqueViolation
from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.errors import MatrixError, forbidden, invalid_param, not_found
from ranvier.proto.ids import domain_of, is_room_alias, is_room_id
from ranvier.rooms.access import Access, Now
from ranvier.rooms.directory_rules import DirectoryRules
from ranvier.rooms.remote_rooms import HostsOf, NowhereElse, RemoteAliases
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer
from ranvier.store import aliases as store
from ranvier.store import rooms as room_store
from ranvier.store.aliases import Alias
from ranvier.users.application_services import ApplicationServices
from ranvier.users.requester import Requester

CANONICAL_ALIAS = "m.room.canonical_alias"
SERVERS: Final = 50
"""The most servers that are named as being in a room."""


class Aliases:
    """The aliases of this server."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        writer: Writer,
        access: Access,
        rules: DirectoryRules,
        require_membership: bool,
        hosts_of: HostsOf | None = None,
        remote: RemoteAliases | None = None,
        services: ApplicationServices | None = None,
    ) -> None:
        """Without `hosts_of` only this server is named as being in a room."""
        self._rooms = rooms
        self.hosts_of = hosts_of
        self.remote: RemoteAliases = remote or NowhereElse()
        self._services = services
        self._writer = writer
        self._access = access
        self._rules = rules
        self._require_membership = require_membership

    async def resolve(self, alias: str) -> tuple[str, list[str]]:
        """The id of the room that an alias names, and servers that are in it.

        Two statements for an alias of this server. Raises 400 or 404, and 502 if the alias's server does not answer.
        """
        _check(alias)
        if domain_of(alias) != self._writer.server_name:
            return await self.remote.resolve(alias)
        nid = await store.room_of(self._rooms.db, alias)
        if nid is None:
            raise not_found("No room has this alias")
        room_ids = await room_store.room_ids(self._rooms.db, [nid])
        return room_ids[nid], await self._servers(room_ids[nid])

    async def create(self, requester: Requester, alias: str, room_id: str) -> None:
        """Give a room a name. Raises 409 `M_UNKNOWN` if it is taken, 400 `M_EXCLUSIVE` if it is reserved, 403, 404, 400."""
        _check(alias)
        if domain_of(alias) != self._writer.server_name:
            raise invalid_param("Only aliases of this server can be made here")
        self._check_reserved(requester, alias)
        if not is_room_id(room_id):
            raise invalid_param("room_id: not a room id")
        room = await self._rooms.find(room_id)
        is_in = room is not None and await self._rooms.membership(room, requester.user_id) == "join"
        if self._require_membership and not requester.is_admin and not is_in:
            # The same answer for rooms that do not exist.
            raise forbidden("You have to be in the room to give it an alias")
        if room is None:
            raise not_found("Unknown room")
        if not self._rules.allow(user_id=requester.user_id, room_id=room_id, aliases=[alias]):
            raise forbidden("This server does not let you create this alias")
        try:
            async with self._rooms.db.write() as tx:
                await store.insert(tx, Alias(alias, room.room_nid, requester.user_id))
        except UniqueViolation as error:
            raise MatrixError(409, "M_UNKNOWN", f"{alias} is taken") from error

    async def delete(self, requester: Requester, alias: str) -> None:
        """Take a name away: its creator may, server admins, and who may change the room's canonical alias.

        The canonical alias no longer lists it afterwards, if the user may change that. Raises 404, 403.
        """
        _check(alias)
        found = await store.find(self._rooms.db, alias)
        if found is None:
            raise not_found("No room has this alias")
        if not requester.is_admin:
            self._check_reserved(requester, alias)
        room = await self._rooms.by_nid(found.room_nid)
        if not (requester.is_admin or requester.user_id == found.creator or await self._may_name(requester, room)):
            raise forbidden("You may not delete this alias")
        async with self._rooms.db.write() as tx:
            deleted = await store.delete(tx, found)
        if not deleted:
            raise not_found("No room has this alias")
        await self._unlist(requester, room, alias)

    async def of_room(self, requester: Requester, room_id: str) -> list[str]:
        """The aliases that this server has for a room. Raises 403 for those who are not in it, unless it is open."""
        if requester.is_admin:
            room = await self._rooms.get(room_id)
        else:
            view = await self._access.to_state(requester.user_id, room_id)
            if not isinstance(view, Now):
                raise forbidden("You are not in this room")
            room = view.room
        return await store.of_room(self._rooms.db, room.room_nid)

    def _check_reserved(self, requester: Requester, alias: str) -> None:
        if self._services is not None:
            self._services.check_alias(alias, appservice_id=requester.appservice_id)

    async def _servers(self, room_id: str) -> list[str]:
        """Servers that are in the room, this one first."""
        own = self._writer.server_name
        if self.hosts_of is None:
            return [own]
        hosts = await self.hosts_of(await self._rooms.get(room_id))
        others = sorted(server for server in hosts if server != own)
        return ([own, *others] if own in hosts or not others else others)[:SERVERS]

    async def _may_name(self, requester: Requester, room: Room) -> bool:
        if await self._rooms.membership(room, requester.user_id) != "join":
            return False
        levels = power_levels(room)
        return levels.user_level(requester.user_id) >= levels.required_level(CANONICAL_ALIAS, is_state=True)

    async def _unlist(self, requester: Requester, room: Room, alias: str) -> None:
        async def decide(room: Room) -> Sequence[Draft]:
            before = room.content(CANONICAL_ALIAS)
            content = without_alias(before, alias)
            if content == before:
                return ()
            return [Draft(sender=requester.user_id, type=CANONICAL_ALIAS, state_key="", content=content)]

        try:
            await self._writer.write(room.room_id, decide)
        except MatrixError as error:
            if error.errcode != "M_FORBIDDEN":
                raise


def without_alias(content: Any, alias: str) -> dict[str, Any]:
    """The content of an `m.room.canonical_alias` event without this alias."""
    kept = {key: value for key, value in content.items() if not (key == "alias" and value == alias)}
    others = kept.get("alt_aliases")
    if isinstance(others, list) and alias in others:
        kept["alt_aliases"] = [other for other in others if other != alias]
    return kept


def _check(alias: str) -> None:
    if not is_room_alias(alias):
        raise invalid_param("Not a room alias")
