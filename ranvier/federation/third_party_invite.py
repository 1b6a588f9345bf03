"""Invitations by e-mail address and the like, when it becomes known whose address it is.

Spec: server-server API, "Third-party invites": `/exchange_third_party_invite` and `/3pid/onbind`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.db.engine import Database
from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.invite import RemoteInvites
from ranvier.federation.paths import path
from ranvier.federation.resident_rooms import ResidentRooms, check_is_from
from ranvier.proto.auth.select import third_party_token
from ranvier.proto.errors import MatrixError, bad_json, forbidden, invalid_param
from ranvier.proto.ids import domain_of, is_room_id, is_user_id
from ranvier.rooms.invite_rules import InviteRules
from ranvier.rooms.room import Room
from ranvier.rooms.write import Draft, Writer
from ranvier.store import users
from ranvier.users.requester import Requester

logger = logging.getLogger(__name__)

MOST_INVITES: Final = 100
TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingInvite:
    """An invitation that an identity server has kept until the address was bound."""

    room_id: str
    sender: str
    signed: Mapping[str, Any]


class ThirdPartyInvites:
    """Turns pending invitations into real ones."""

    def __init__(
        self,
        *,
        db: Database,
        resident: ResidentRooms,
        writer: Writer,
        invites: RemoteInvites,
        rules: InviteRules,
        client: FederationClient,
    ) -> None:
        self._db = db
        self._resident = resident
        self._writer = writer
        self._invites = invites
        self._rules = rules
        self._client = client
        self._server_name = writer.server_name

    async def exchange(self, origin: str, room_id: str, proposed: Mapping[str, Any]) -> None:
        """The server of the invited user asks for the invitation of which one of ours has made the first half.

        Raises 404 or 403 as `ResidentRooms.room`, 400 if `proposed` is no such member event, 403 if the room has no such
        third-party invite or does not allow it, and as `RemoteInvites.invite`.
        """
        room = await self._resident.room(room_id, origin)
        content, target, sender = proposed.get("content"), proposed.get("state_key"), proposed.get("sender")
        if not isinstance(content, dict) or not isinstance(target, str) or not isinstance(sender, str):
            raise bad_json("content, state_key, sender: required")
        if proposed.get("type") != "m.room.member" or content.get("membership") != "invite":
            raise invalid_param("Not an invitation")
        if proposed.get("room_id") != room_id:
            raise invalid_param("room_id: not the room of the path")
        check_is_from(target, origin)
        if domain_of(sender) != self._server_name:
            raise forbidden("The invitation was not made by a user of this server")
        await self._invites.invite(room_id, _draft(room, sender, target, content))

    async def bound(self, user_id: str, invites: Sequence[PendingInvite]) -> None:
        """An address has been bound to one of our users, and these invitations have waited for that.

        One that fails does not hold up the others. Raises 404 if we have no such user.
        """
        user = await users.by_id(self._db, user_id) if is_user_id(user_id) else None
        if user is None or user.deactivated:
            raise MatrixError(404, "M_NOT_FOUND", "No such user")
        for pending in invites[:MOST_INVITES]:
            try:
                await self._redeem(user_id, pending)
            except (MatrixError, RemoteError, Unreachable) as error:
                logger.warning("The invitation of %s to %s fails: %s", user_id, pending.room_id, error)

    async def _redeem(self, user_id: str, pending: PendingInvite) -> None:
        if not is_room_id(pending.room_id) or not is_user_id(pending.sender) or pending.signed.get("mxid") != user_id:
            raise invalid_param("Not an invitation of this user")
        await self._rules.check(Requester(pending.sender, None, None), user_id)
        content = {"membership": "invite", "third_party_invite": {"display_name": "", "signed": dict(pending.signed)}}
        server = domain_of(pending.sender)
        if server == self._server_name:
            room = await self._resident.is_in(pending.room_id)
            if room is None:
                raise forbidden("This server is not in the room")
            await self._writer.write(room.room_id, [_draft(room, pending.sender, user_id, content)])
            return
        body = {
            "type": "m.room.member",
            "room_id": pending.room_id,
            "sender": pending.sender,
            "state_key": user_id,
            "content": content,
        }
        at = path("v1", "exchange_third_party_invite", pending.room_id)
        await self._client.put(server, at, content=body, timeout_s=TIMEOUT_S, limit_bytes=1 << 20, patient=True)


def _draft(room: Room, sender: str, target: str, content: Mapping[str, Any]) -> Draft:
    """The invitation, with the name under which the room knows the address. Raises 403 if it knows no such invite."""
    token = third_party_token(content)
    made = None if token is None else room.state.get(("m.room.third_party_invite", token))
    if made is None:
        raise forbidden("The room has no third-party invite with this token")
    name = made.event.content.get("display_name")
    invite = {
        "display_name": name if isinstance(name, str) else "",
        "signed": content["third_party_invite"]["signed"],
    }
    return Draft(
        sender=sender,
        type="m.room.member",
        state_key=target,
        content={"membership": "invite", "third_party_invite": invite},
    )
