"""Joining, inviting, leaving, kicking, banning, forgetting: local users.

Spec: client-server API, "Room membership".
"""

from collections.abc import Callable, Sequence
from typing import Any

from ranvier.proto.errors import MatrixError, forbidden, invalid_param, not_found
from ranvier.proto.ids import is_room_alias, is_room_id, is_user_id
from ranvier.rooms.carry_over import CarryOver
from ranvier.rooms.guest_access import check_guest_may_join
from ranvier.rooms.invite_rules import InviteRules
from ranvier.rooms.leave_rules import LeaveRules
from ranvier.rooms.member_content import MemberContent
from ranvier.rooms.restricted_join import RestrictedJoins
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Decide, Draft, Writer
from ranvier.store import aliases
from ranvier.store import rooms as store
from ranvier.store.rooms import JOIN
from ranvier.users.requester import Requester


class Memberships:
    """Changes of who is in a room."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        writer: Writer,
        member_content: MemberContent,
        invitations: InviteRules,
        restricted_joins: RestrictedJoins,
        carry_over: CarryOver,
        leave_rules: LeaveRules,
    ) -> None:
        self._rooms = rooms
        self._writer = writer
        self._member_content = member_content
        self._invitations = invitations
        self._restricted_joins = restricted_joins
        self._carry_over = carry_over
        self._leave_rules = leave_rules
        self.forgotten: list[Callable[[str, int], None]] = []
        """Told the user and the room's number when somebody has forgotten a room."""

    async def resolve(self, room_id_or_alias: str) -> str:
        """The room id that a room id or alias stands for. Raises 404 for an unknown alias, 400 for neither."""
        if is_room_id(room_id_or_alias):
            return room_id_or_alias
        if not is_room_alias(room_id_or_alias):
            raise invalid_param("Neither a room id nor a room alias")
        nid = await aliases.room_of(self._rooms.db, room_id_or_alias)
        if nid is None:
            raise not_found("No room has this alias")
        return (await self._rooms.by_nid(nid)).room_id

    async def membership(self, room: Room, user_id: str) -> str:
        """What a user is in the room by its state, `leave` for strangers."""
        return await self._rooms.membership(room, user_id)

    async def join(self, requester: Requester, room_id: str, *, reason: str | None = None) -> str:
        """Join; the room id. Joining again changes nothing. Raises 403 if the join rules forbid it."""
        user_id = requester.user_id

        async def decide(room: Room) -> Sequence[Draft]:
            before = await self._rooms.member(room, user_id)
            if before is not None and before.event.membership == "join":
                return ()
            check_guest_may_join(requester, room)
            content = await self._member_content.of(user_id, "join", reason=reason)
            await self._restricted_joins.authorise(room, user_id, content)
            return [_member(user_id, user_id, content)]

        if await self._writer.write(room_id, decide):
            await self.follow(user_id, await self._rooms.get(room_id))
        return room_id

    async def knock(self, requester: Requester, room_id: str, *, reason: str | None = None) -> str:
        """Ask to be let in; the room id."""
        content = await self._member_content.of(requester.user_id, "knock", reason=reason)
        await self._write(requester, room_id, [_member(requester.user_id, requester.user_id, content)])
        return room_id

    async def invite(
        self, requester: Requester, room_id: str, target: str, *, reason: str | None = None, is_direct: bool = False
    ) -> None:
        """Invite a user. Raises 403 if they are in the room or banned, do not want it, or the sender may not."""
        if not is_user_id(target):
            raise invalid_param("user_id: not a user id")
        await self._invitations.check(requester, target)
        content = await self._member_content.of(target, "invite", reason=reason)
        if is_direct:
            content["is_direct"] = True
        await self._write(requester, room_id, [_member(requester.user_id, target, content)])

    async def leave(self, requester: Requester, room_id: str, *, reason: str | None = None) -> None:
        """Leave, reject an invitation, or take back a knock. Leaving a room again changes nothing.

        Raises 403 where the invitation cannot be rejected.
        """
        user_id = requester.user_id

        async def decide(room: Room) -> Sequence[Draft]:
            membership = await self._rooms.member(room, user_id)
            if membership is None:
                raise forbidden("You are not in this room")
            if membership.event.membership == "leave":
                return ()
            self._leave_rules.check(requester, room, membership.event.membership)
            content = await self._member_content.of(user_id, "leave", reason=reason)
            return [_member(user_id, user_id, content)]

        await self._writer.write(room_id, decide)

    async def kick(self, requester: Requester, room_id: str, target: str, *, reason: str | None = None) -> None:
        """Remove a user who is in the room, invited or knocking. Raises 403 otherwise.

        Of a partially joined room it need not be known yet whether the user is in it.
        """

        async def decide(room: Room) -> Sequence[Draft]:
            member = await self._rooms.member(room, target)
            membership = "leave" if member is None else member.event.membership
            may_be_there = member is None and room.partial is not None
            if membership not in ("join", "invite", "knock") and not may_be_there:
                await self._check_joined(room, requester.user_id)
                raise forbidden("The user is not in this room")
            return [_member(requester.user_id, target, _content("leave", reason))]

        await self._write(requester, room_id, decide)

    async def ban(self, requester: Requester, room_id: str, target: str, *, reason: str | None = None) -> None:
        """Ban a user, whether they are in the room or not."""
        if not is_user_id(target):
            raise invalid_param("user_id: not a user id")
        await self._write(requester, room_id, [_member(requester.user_id, target, _content("ban", reason))])

    async def unban(self, requester: Requester, room_id: str, target: str, *, reason: str | None = None) -> None:
        """Lift a ban. Raises 403 if the user is not banned."""

        async def decide(room: Room) -> Sequence[Draft]:
            if await self._rooms.membership(room, target) != "ban":
                await self._check_joined(room, requester.user_id)
                raise forbidden("The user is not banned from this room")
            return [_member(requester.user_id, target, _content("leave", reason))]

        await self._write(requester, room_id, decide)

    async def forget(self, requester: Requester, room_id: str) -> None:
        """Stop seeing a room that one has left. Raises 400 `M_UNKNOWN` while still in it."""
        heard_of = None if "\0" in room_id else await store.nid_of(self._rooms.db, room_id)
        if heard_of is None:
            raise not_found("Unknown room")
        room_nid = heard_of[0]
        user_nid = await self._rooms.keys.find_user(self._rooms.db, requester.user_id)
        mine = None if user_nid is None else await store.membership_of(self._rooms.db, user_nid, room_nid)
        if user_nid is None or mine is None:
            raise not_found("You have never been in this room")
        if store.MEMBERSHIP_NAMES[mine.membership] not in ("leave", "ban"):
            raise MatrixError(400, "M_UNKNOWN", "Leave the room before forgetting it")
        async with self._rooms.db.write() as tx:
            await store.forget(tx, user_nid, room_nid)
        for tell in self.forgotten:
            tell(requester.user_id, room_nid)

    async def joined_rooms(self, requester: Requester) -> list[str]:
        """Ids of the rooms the user is in."""
        user_nid = await self._rooms.keys.find_user(self._rooms.db, requester.user_id)
        if user_nid is None:
            return []
        mine = await store.memberships_of(self._rooms.db, user_nid)
        nids = [membership.room_nid for membership in mine if membership.membership == JOIN]
        return list((await store.room_ids(self._rooms.db, nids)).values()) if nids else []

    async def follow(self, user_id: str, room: Room) -> None:
        """Somebody has come into a room: if it replaces another, what they had set for that one comes along."""
        predecessor = room.content("m.room.create").get("predecessor")
        old_id = predecessor.get("room_id") if isinstance(predecessor, dict) else None
        if isinstance(old_id, str) and is_room_id(old_id):
            await self._carry_over.carry_over(user_id, old_id, room.room_id)

    async def _write(self, requester: Requester, room_id: str, decide: Decide | Sequence[Draft]) -> None:
        """What shadow-banned users do to others or ask of them is not done; they do not notice."""
        if requester.shadow_banned:
            await self._writer.pretend(room_id, decide)
        else:
            await self._writer.write(room_id, decide)

    async def _check_joined(self, room: Room, user_id: str) -> None:
        if await self._rooms.membership(room, user_id) != "join":
            raise forbidden("You are not in this room")


def _member(sender: str, target: str, content: dict[str, Any]) -> Draft:
    return Draft(sender=sender, type="m.room.member", state_key=target, content=content)


def _content(membership: str, reason: str | None) -> dict[str, Any]:
    return {"membership": membership} if reason is None else {"membership": membership, "reason": reason}
