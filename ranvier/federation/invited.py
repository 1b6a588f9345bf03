"""A user of another server invites one of ours.

Spec: server-server API, `/invite` (both versions); client-server API, "Invite permission".
"""

from collections.abc import Mapping
from typing import Any

from ranvier.db.engine import Database
from ranvier.federation.acl import check_acl
from ranvier.federation.keys import ServerKeys
from ranvier.federation.resident_rooms import ResidentRooms
from ranvier.federation.told import sound_told_state
from ranvier.proto.errors import MatrixError, forbidden, invalid_param
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.events import Event
from ranvier.proto.handshakes.countersign import countersign
from ranvier.proto.handshakes.member_request import read_member_request
from ranvier.proto.ids import domain_of, is_user_id
from ranvier.proto.room_versions import RoomVersion
from ranvier.proto.signing import SigningKey
from ranvier.rooms.blocked_rooms import BlockedRooms
from ranvier.rooms.invite_rules import InviteRules
from ranvier.rooms.outside_membership import OutsideMemberships
from ranvier.store import users
from ranvier.users.requester import Requester


class InvitedByOthers:
    """Takes invitations in."""

    def __init__(
        self,
        *,
        db: Database,
        keys: ServerKeys,
        resident: ResidentRooms,
        rules: InviteRules,
        blocked: BlockedRooms,
        outside: OutsideMemberships,
        server_name: str,
        signing_key: SigningKey,
    ) -> None:
        self._db = db
        self._keys = keys
        self._resident = resident
        self._rules = rules
        self._blocked = blocked
        self._outside = outside
        self._server_name = server_name
        self._signing_key = signing_key

    async def receive(
        self, origin: str, room_id: str, event_id: str, pdu: Mapping[str, Any], version: RoomVersion, *, told: object
    ) -> Event:
        """Sign the invitation, and tell the user of it unless the room itself will: the signed event.

        `told` is `invite_room_state`. Raises 400 `M_INVALID_PARAM`, `M_BAD_JSON` or 413 for what is no such invitation,
        403 `M_FORBIDDEN` or `M_INVITE_BLOCKED` if it is not wanted here.
        """
        event = read_member_request(
            pdu, version, room_id=room_id, event_id=event_id, membership="invite", origin=origin
        )
        target = event.state_key or ""
        if not is_user_id(target) or domain_of(target) != self._server_name:
            raise invalid_param("state_key: not a user of this server")
        await self._resident.check_version(room_id, version)
        (verdict,) = await self._keys.verify_events([event])
        if verdict.error is not None:
            raise invalid_param(f"signatures: {verdict.error}")
        room = await self._resident.is_in(room_id)
        if room is not None:
            check_acl(room, origin)
        state = await self._told(told, version, room_id)
        self._blocked.check(room_id)
        await self._check_wanted(event, target)
        signed = self._sign(event)
        if room is None:
            # Otherwise the inviting server sends the event into the room, as it does to all servers there.
            await self._outside.save(signed, version, state=state)
        return signed

    async def _told(self, told: object, version: RoomVersion, room_id: str) -> list[Mapping[str, Any]]:
        """What the user is shown of the room. Raises 400 `M_INVALID_PARAM` in the room versions that came after v1.16."""
        read = await sound_told_state(self._keys, told, version, room_id)
        if read.problem is not None and version.domainless_room_ids:
            raise invalid_param(f"invite_room_state: {read.problem}")
        return read.entries

    async def _check_wanted(self, event: Event, target: str) -> None:
        user = await users.by_id(self._db, target)
        if user is None or user.deactivated:
            raise forbidden("No such user can be invited")
        await self._rules.check(Requester(event.sender, None, None), target)

    def _sign(self, event: Event) -> Event:
        try:
            return countersign(event, self._server_name, self._signing_key)
        except InvalidEvent as error:
            raise MatrixError(413, "M_TOO_LARGE", str(error)) from error
