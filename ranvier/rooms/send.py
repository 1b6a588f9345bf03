"""Sending events: messages, state, redactions.

Spec: client-server API, "Sending events to a room", "Redactions".
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from ranvier.proto.errors import MatrixError, bad_json, invalid_param
from ranvier.proto.ids import domain_of, is_room_alias, is_user_id
from ranvier.proto.room_versions import RoomVersion
from ranvier.ratelimit import RateLimiter
from ranvier.rooms.guest_access import check_guest_may_join
from ranvier.rooms.invite_rules import InviteRules
from ranvier.rooms.leave_rules import LeaveRules
from ranvier.rooms.member_content import MemberContent
from ranvier.rooms.relation_checks import RelationChecks
from ranvier.rooms.restricted_join import RestrictedJoins
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.transactions import Transactions
from ranvier.rooms.write import Decide, Draft, TxnRow, Writer
from ranvier.store import aliases
from ranvier.store.events import StoredEvent
from ranvier.users.requester import Requester
from ranvier.users.suspension import check_active


class Sending:
    """What a member says into a room."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        writer: Writer,
        transactions: Transactions,
        relation_checks: RelationChecks,
        invitations: InviteRules,
        member_content: MemberContent,
        restricted_joins: RestrictedJoins,
        leave_rules: LeaveRules,
        messages: RateLimiter,
        admin_redactions: RateLimiter,
    ) -> None:
        self._rooms = rooms
        self._relation_checks = relation_checks
        self._writer = writer
        self._transactions = transactions
        self._invitations = invitations
        self._restricted_joins = restricted_joins
        self._leave_rules = leave_rules
        self._member_content = member_content
        self._messages = messages
        self._admin_redactions = admin_redactions
        self.invite_elsewhere: Callable[[str, Draft], Awaitable[StoredEvent]] | None = None
        """Invites a user of another server; `None` without federation."""

    async def send_message(
        self, requester: Requester, room_id: str, type_: str, content: dict[str, Any], txn_id: str
    ) -> str:
        """Send an event without a state key; the event id. Repeated requests of a device give the same id.

        An `m.room.redaction` is a redaction here too (MSC4169).
        """

        async def send(row: TxnRow) -> str:
            room = await self._rooms.get(room_id)
            draft = _draft(requester, room.version, type_, content, redacts=None)
            return await self._write(requester, room_id, self._checked(draft, requester), row)

        _check_names(type_)
        if requester.suspended and not await self._is_own(requester, content.get("redacts")):
            check_active(requester)
        return await self._once(requester, f"send/{room_id}/{type_}", txn_id, send)

    async def send_redaction(
        self, requester: Requester, room_id: str, event_id: str, reason: str | None, txn_id: str
    ) -> str:
        """Redact an event; the id of the redaction.

        Raises 404 if the event is not in the room, 403 without permission, 429 `M_LIMIT_EXCEEDED`.
        """
        # Who redacts what others have said is moderating, which has a limit of its own.
        is_own = await self._is_own(requester, event_id)
        if not is_own:
            check_active(requester)
        (self._messages if is_own else self._admin_redactions).spend(requester.user_id)

        async def send(row: TxnRow) -> str:
            room = await self._rooms.get(room_id)
            content: dict[str, Any] = {} if reason is None else {"reason": reason}
            draft = _draft(requester, room.version, "m.room.redaction", content, redacts=event_id)
            return await self._write(requester, room_id, [draft], row)

        return await self._once(requester, f"redact/{room_id}/{event_id}", txn_id, send)

    async def send_state(
        self, requester: Requester, room_id: str, type_: str, state_key: str, content: dict[str, Any]
    ) -> str:
        """Set a state entry; the event id (of the standing event if it would change nothing).

        Raises 400 `M_BAD_ALIAS` for a canonical alias that does not point here.
        """
        _check_names(type_, state_key)
        if type_ == "m.room.canonical_alias":
            await self._check_aliases(room_id, content)
        if type_ == "m.room.member":
            await self._check_member(requester, room_id, state_key, content)
        if type_ == "m.room.create":
            raise MatrixError(403, "M_FORBIDDEN", "A room is created only once")
        draft = Draft(sender=requester.user_id, type=type_, state_key=state_key, content=content)
        if requester.shadow_banned and type_ == "m.room.member" and state_key == requester.user_id:
            # They come and go as they like.
            requester = replace(requester, shadow_banned=False)
        if self.invite_elsewhere is not None and not requester.shadow_banned and self._invites_elsewhere(draft):
            return (await self.invite_elsewhere(room_id, draft)).event.event_id
        return await self._write(requester, room_id, self._checked(draft, requester), None)

    async def _write(
        self, requester: Requester, room_id: str, decide: Decide | Sequence[Draft], txn: TxnRow | None
    ) -> str:
        """The id of the one event; of a shadow-banned user an id that no event will ever have."""
        if requester.shadow_banned:
            return (await self._writer.pretend(room_id, decide))[0]
        return (await self._writer.write(room_id, decide, txn=txn))[0].event.event_id

    def _invites_elsewhere(self, draft: Draft) -> bool:
        """Whether this invites a user of another server, which has to sign it first."""
        user_id = draft.state_key or ""
        is_invite = draft.type == "m.room.member" and draft.content.get("membership") == "invite"
        return is_invite and is_user_id(user_id) and domain_of(user_id) != self._writer.server_name

    def _checked(self, draft: Draft, requester: Requester) -> Decide | Sequence[Draft]:
        """The draft; under the room's lock what it is related to is looked at, and whether a guest may still join."""
        joins = requester.is_guest and draft.type == "m.room.member" and draft.content.get("membership") == "join"
        if "m.relates_to" not in draft.content and not joins:
            return [draft]

        async def decide(room: Room) -> Sequence[Draft]:
            if joins:
                check_guest_may_join(requester, room)
            if "m.relates_to" in draft.content:
                await self._relation_checks.check(room, draft)
            return [draft]

        return decide

    async def _is_own(self, requester: Requester, event_id: object) -> bool:
        """Whether this is an event of theirs, or none that we know."""
        if not isinstance(event_id, str):
            return True
        target = (await self._rooms.cache.by_id([event_id])).get(event_id)
        return target is None or target.event.sender == requester.user_id

    async def _once(self, requester: Requester, path: str, txn_id: str, send: Any) -> str:
        return await self._transactions.once(requester.user_id, requester.device_id or "", path, txn_id, send)

    async def _check_member(self, requester: Requester, room_id: str, user_id: str, content: dict[str, Any]) -> None:
        """What the endpoints for membership check as well. May change who authorises a join, and a name."""
        if user_id == requester.user_id:
            await self._member_content.hold_to_profile(user_id, content)
        if content.get("membership") == "join":
            room = await self._rooms.get(room_id)
            check_guest_may_join(requester, room)
            await self._restricted_joins.authorise(room, user_id, content)
        elif content.get("membership") == "invite":
            await self._invitations.check(requester, user_id)
        elif content.get("membership") == "leave" and user_id == requester.user_id:
            room = await self._rooms.get(room_id)
            self._leave_rules.check(requester, room, await self._rooms.membership(room, user_id))

    async def _check_aliases(self, room_id: str, content: dict[str, Any]) -> None:
        room = await self._rooms.get(room_id)
        before = _aliases(room.content("m.room.canonical_alias"))
        for alias in _aliases(content) - before:
            await self._check_alias(room, alias)

    async def _check_alias(self, room: Room, alias: object) -> None:
        if not isinstance(alias, str) or not is_room_alias(alias):
            raise invalid_param("m.room.canonical_alias: not a room alias")
        if await aliases.room_of(self._rooms.db, alias) != room.room_nid:
            raise MatrixError(400, "M_BAD_ALIAS", f"{alias} does not point to this room")


def _draft(
    requester: Requester, version: RoomVersion, type_: str, content: dict[str, Any], *, redacts: str | None
) -> Draft:
    if type_ == "m.room.redaction":
        target = content.get("redacts") if redacts is None else redacts
        if not isinstance(target, str):
            raise bad_json("redacts: expected the id of the event to redact")
        content = {key: value for key, value in content.items() if key != "redacts"}
        if version.redacts_in_content:
            content["redacts"] = target
        redacts = target
    return Draft(sender=requester.user_id, type=type_, content=content, redacts=redacts)


def _check_names(*names: str) -> None:
    for name in names:
        if "\0" in name:
            raise invalid_param("Event types and state keys cannot hold NUL characters")


def _aliases(content: Any) -> set[Any]:
    alias = content.get("alias")
    others = content.get("alt_aliases")
    if others is not None and not (isinstance(others, list) and all(isinstance(other, str) for other in others)):
        raise bad_json("alt_aliases: expected a list of room aliases")
    if alias is not None and not isinstance(alias, str):
        raise bad_json("alias: expected a room alias")
    return set(others or ()) | ({alias} if alias else set())
