"""Joining, knocking, inviting and leaving, whether the room is here or elsewhere.

Spec: client-server API, "Room membership"; server-server API, "Joining Rooms" and the sections that follow it. Each
method takes the local road of `rooms.membership` where this server can speak for the room, and a handshake elsewhere.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from weakref import WeakValueDictionary

from ranvier.federation.ask_directory import DirectoryAsking
from ranvier.federation.complexity import RoomSizeLimit
from ranvier.federation.invite import RemoteInvites
from ranvier.federation.join import RemoteJoins
from ranvier.federation.knock import RemoteKnocks
from ranvier.federation.leave import RemoteLeaves
from ranvier.federation.resident_rooms import ResidentRooms
from ranvier.federation.residents import candidates
from ranvier.ports import Clock
from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.errors import MatrixError, forbidden, invalid_param
from ranvier.proto.ids import domain_of, is_room_alias, is_room_id, is_user_id
from ranvier.ratelimit import RateLimiter
from ranvier.rooms.blocked_rooms import BlockedRooms
from ranvier.rooms.invite_rules import InviteRules
from ranvier.rooms.member_content import MemberContent
from ranvier.rooms.membership import Memberships
from ranvier.rooms.outside_membership import OutsideMemberships
from ranvier.rooms.room import Room
from ranvier.rooms.write import Draft
from ranvier.store.events import StoredEvent
from ranvier.users.requester import Requester

PAUSES_S: Final = (0.2, 0.5, 1.5)
"""How long to wait before the next attempt to join by an invitation that has only just come."""
JUST_MS: Final = 10_000


class RoomMemberships:
    """Changes of who is in a room, by users of this server."""

    def __init__(
        self,
        *,
        local: Memberships,
        resident: ResidentRooms,
        outside: OutsideMemberships,
        member_content: MemberContent,
        invitations: InviteRules,
        blocked: BlockedRooms,
        directory: DirectoryAsking,
        joins: RemoteJoins,
        knocks: RemoteKnocks,
        leaves: RemoteLeaves,
        invites: RemoteInvites,
        remote_joins: RateLimiter,
        clock: Clock,
        server_name: str,
        size_limit: RoomSizeLimit | None = None,
    ) -> None:
        self._local = local
        self._resident = resident
        self._outside = outside
        self._member_content = member_content
        self._invitations = invitations
        self._blocked = blocked
        self._directory = directory
        self._joins = joins
        self._knocks = knocks
        self._leaves = leaves
        self._invites = invites
        self._remote_joins = remote_joins
        self._clock = clock
        self._server_name = server_name
        self._size_limit = size_limit
        self._entering: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def resolve(self, room_id_or_alias: str) -> tuple[str, list[str]]:
        """The room id that a room id or alias stands for, and servers that an alias names for it.

        Raises 404 for an unknown alias, 400 for neither, 502 if the alias' server cannot be asked.
        """
        server = domain_of(room_id_or_alias)
        if not is_room_alias(room_id_or_alias) or server == self._server_name:
            return await self._local.resolve(room_id_or_alias), []
        room_id, servers = await self._directory.resolve(room_id_or_alias)
        return room_id, [*servers, server]

    async def join(
        self, requester: Requester, room_id: str, *, reason: str | None = None, via: Sequence[str] = ()
    ) -> str:
        """Join; the room id. Joining again changes nothing.

        Raises 403 if the room does not let the user in, 404 if no server in it is known, 502 if none can be reached,
        429 for too many handshakes.
        """
        if not is_room_id(room_id):
            raise invalid_param("Not a room id")
        self._blocked.check(room_id)
        # Whoever comes while a handshake for the room is under way finds the room here afterwards.
        async with self._lock(room_id):
            room = await self._resident.holds(room_id)
            if room is None or await self._is_for_others(room, requester.user_id):
                servers = await self._servers(requester.user_id, room_id, via)
                await self._join_through(requester, room_id, servers, reason)
                return room_id
        try:
            return await self._local.join(requester, room_id, reason=reason)
        except MatrixError as error:
            servers = await self._who_may_let_in(requester.user_id, room, error, via)
            if not servers:
                raise
        await self._join_through(requester, room_id, servers, reason)
        return room_id

    async def knock(
        self, requester: Requester, room_id: str, *, reason: str | None = None, via: Sequence[str] = ()
    ) -> str:
        """Ask to be let in; the room id. Raises as `join`."""
        if not is_room_id(room_id):
            raise invalid_param("Not a room id")
        self._blocked.check(room_id)
        if await self._resident.holds(room_id) is not None:
            return await self._local.knock(requester, room_id, reason=reason)
        if requester.shadow_banned:
            return room_id
        servers = await self._servers(requester.user_id, room_id, via)
        content = await self._member_content.of(requester.user_id, "knock", reason=reason)
        await self._knocks.knock(requester.user_id, room_id, servers, content)
        return room_id

    async def invite(
        self, requester: Requester, room_id: str, target: str, *, reason: str | None = None, is_direct: bool = False
    ) -> None:
        """Invite a user of any server. Raises 403 if the room, the user or their server does not want it, 502."""
        if not is_user_id(target):
            raise invalid_param("user_id: not a user id")
        if domain_of(target) == self._server_name:
            await self._local.invite(requester, room_id, target, reason=reason, is_direct=is_direct)
            return
        await self._invitations.check(requester, target)
        if await self._resident.holds(room_id) is None:
            raise forbidden("You are not in this room")
        if requester.shadow_banned:
            return
        content = await self._member_content.of(target, "invite", reason=reason)
        if is_direct:
            content["is_direct"] = True
        draft = Draft(sender=requester.user_id, type="m.room.member", state_key=target, content=content)
        await self._invites.invite(room_id, draft)

    async def leave(self, requester: Requester, room_id: str, *, reason: str | None = None) -> None:
        """Leave, reject an invitation, or take back a knock. Leaving a room again changes nothing.

        Invitations and knocks elsewhere are gone in any case, even if no server can be told.
        """
        standing = None
        room = await self._resident.is_in(room_id) if is_room_id(room_id) else None
        if room is not None:
            standing = await self._invited_unseen(requester.user_id, room)
        elif is_room_id(room_id):
            standing = await self._outside.of(requester.user_id, room_id)
            if standing is not None and standing[1].state_before is not None:
                standing = None
        if standing is None:
            await self._local.leave(requester, room_id, reason=reason)
            return
        if standing[0] == "leave":
            return
        if standing[0] not in ("invite", "knock"):
            raise forbidden("You are not in this room")
        content = await self._member_content.of(requester.user_id, "leave", reason=reason)
        await self._leaves.leave(standing[1], content)

    async def _is_for_others(self, room: Room, user_id: str) -> bool:
        """Whether others have to let the user in: of a partially joined room we do not know who is banned (MSC3902)."""
        return room.partial is not None and await self._local.membership(room, user_id) != "join"

    def _lock(self, room_id: str) -> asyncio.Lock:
        lock = self._entering.get(room_id)
        if lock is None:
            lock = self._entering[room_id] = asyncio.Lock()
        return lock

    async def _join_through(
        self, requester: Requester, room_id: str, servers: Sequence[str], reason: str | None
    ) -> None:
        if requester.is_guest:
            raise MatrixError(403, "M_GUEST_ACCESS_FORBIDDEN", "Guests may only join rooms of this server")
        self._remote_joins.spend(requester.user_id)
        limit = self._size_limit
        if limit is not None and (
            await self._resident.is_in(room_id) is not None or await limit.is_known_small(requester, room_id, servers)
        ):
            limit = None
        content = await self._member_content.of(requester.user_id, "join", reason=reason)
        for pause_s in PAUSES_S:
            try:
                await self._joins.join(requester.user_id, room_id, servers, content)
                break
            except MatrixError as error:
                if error.status != 403 or not await self._has_just_been_invited(requester.user_id, room_id):
                    raise
            await self._clock.sleep(pause_s)
        else:
            await self._joins.join(requester.user_id, room_id, servers, content)
        room = await self._resident.is_in(room_id)
        if room is None:
            return
        if limit is not None:
            await self._check_size(requester, room, limit)
        await self._local.follow(requester.user_id, room)

    async def _check_size(self, requester: Requester, room: Room, limit: RoomSizeLimit) -> None:
        """Nobody could say before how complex the room is: if it is too complex, the user leaves again."""
        try:
            await limit.check_joined(room)
        except MatrixError:
            await self.leave(requester, room.room_id)
            raise

    async def _has_just_been_invited(self, user_id: str, room_id: str) -> bool:
        """Whether the server that invites may not have the invitation in its room yet: we are asked to sign it first."""
        standing = await self._outside.of(user_id, room_id)
        if standing is None or standing[0] != "invite":
            return False
        return abs(self._clock.now_ms() - standing[1].event.origin_server_ts) < JUST_MS

    async def _who_may_let_in(self, user_id: str, room: Room, refusal: MatrixError, via: Sequence[str]) -> list[str]:
        """Servers that may let a user into a room of which ours knows no reason to."""
        if refusal.errcode == "M_UNABLE_TO_GRANT_JOIN":
            return candidates([*_inviting_servers(room), *via], server_name=self._server_name)
        if refusal.errcode != "M_FORBIDDEN":
            return []
        standing = await self._invited_unseen(user_id, room)
        if standing is None:
            return []
        inviting = domain_of(standing[1].event.sender)
        return candidates([inviting, *via, *await self._resident.others(room)], server_name=self._server_name)

    async def _invited_unseen(self, user_id: str, room: Room) -> tuple[str, StoredEvent] | None:
        """The invitation of a user of which the room here does not know.

        It was handed to us while others of us were on their way into the room, and the room itself has not told us of it
        yet; it may never do so before somebody cites it. Two statements, where the user is nobody in the room.
        """
        if await self._local.membership(room, user_id) != "leave":
            return None
        standing = await self._outside.of(user_id, room.room_id)
        return standing if standing is not None and standing[0] == "invite" else None

    async def _servers(self, user_id: str, room_id: str, via: Sequence[str]) -> list[str]:
        """Whom to ask: those the client names, who invited the user, who was in the room, who named it."""
        standing = await self._outside.of(user_id, room_id)
        inviting = [domain_of(standing[1].event.sender)] if standing is not None and standing[0] == "invite" else []
        known = await self._resident.last_known(room_id)
        known = [*await self._resident.let_in_by(room_id), *known]
        return candidates([*via, *inviting, *known, domain_of(room_id)], server_name=self._server_name)


def _inviting_servers(room: Room) -> list[str]:
    """Servers of users who may invite, the most powerful first."""
    levels = power_levels(room)
    able = [user_id for user_id, level in levels.users.items() if level >= levels.invite]
    return [domain_of(user_id) for user_id in sorted(able, key=levels.user_level, reverse=True)]
