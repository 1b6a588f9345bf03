"""Inviting somebody by an address.

Spec: client-server API, "Third-party Invites". Configuration: `enable_3pid_lookup`, `email.invite_client_location`. An
identity server knows whose address it is, or keeps the invitation until it is somebody's, and writes to them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.errors import forbidden
from ranvier.proto.threepids import canonical
from ranvier.rooms.invite_rules import third_party_invites_denied
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer
from ranvier.users.identity_servers import IdentityServers, StoredInvite
from ranvier.users.requester import Requester


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressInvite:
    """Who is invited, and who is asked about them."""

    id_server: str
    id_access_token: str
    medium: str
    address: str


class AddressInvites:
    """Invites."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        writer: Writer,
        identity: IdentityServers,
        invite: Callable[[Requester, str, str], Awaitable[None]],
        is_offered: bool,
        web_client_location: str | None,
    ) -> None:
        """`invite(requester, room_id, user_id)` invites whom it turns out to be."""
        self._rooms = rooms
        self._writer = writer
        self._identity = identity
        self._invite = invite
        self._is_offered = is_offered
        self._web_client_location = web_client_location

    async def send(self, requester: Requester, room_id: str, wanted: AddressInvite) -> None:
        """Raises 403 `M_FORBIDDEN`, `M_THREEPID_DENIED` where it is not offered, and what the identity server says."""
        if not self._is_offered:
            raise third_party_invites_denied()
        if requester.shadow_banned:  # Nobody is to hear of it.
            return
        room = await self._rooms.get(room_id)
        member = await self._check(requester, room)
        address = canonical(wanted.medium, wanted.address)
        user_id = await self._identity.lookup(
            wanted.id_server, wanted.id_access_token, medium=wanted.medium, address=address
        )
        if user_id is not None:
            await self._invite(requester, room_id, user_id)
            return
        body = {"medium": wanted.medium, "address": address, **self._words(requester, room, member)}
        stored = await self._identity.store_invite(wanted.id_server, wanted.id_access_token, body)
        draft = Draft(
            sender=requester.user_id,
            type="m.room.third_party_invite",
            state_key=stored.token,
            content=_content(stored),
        )
        await self._writer.write(room_id, [draft])

    async def _check(self, requester: Requester, room: Room) -> Mapping[str, Any]:
        """The content of who invites; nobody is written to for somebody who may not. Raises 403 `M_FORBIDDEN`."""
        member = await self._rooms.member(room, requester.user_id)
        if member is None or member.event.membership != "join":
            raise forbidden("You are not in this room")
        levels = power_levels(room)
        if levels.user_level(requester.user_id) < levels.invite:
            raise forbidden("You may not invite anybody to this room")
        content: Mapping[str, Any] = member.event.content
        return content

    def _words(self, requester: Requester, room: Room, member: Mapping[str, Any]) -> dict[str, str]:
        """What the mail may say."""
        words: dict[str, object] = {
            "room_id": room.room_id,
            "sender": requester.user_id,
            "room_alias": room.content("m.room.canonical_alias").get("alias"),
            "room_avatar_url": room.content("m.room.avatar").get("url"),
            "room_join_rules": room.content("m.room.join_rules").get("join_rule"),
            "room_name": room.content("m.room.name").get("name"),
            "room_type": room.content("m.room.create").get("type"),
            "sender_display_name": member.get("displayname"),
            "sender_avatar_url": member.get("avatar_url"),
            "org.matrix.web_client_location": self._web_client_location,
        }
        return {key: value for key, value in words.items() if isinstance(value, str) and value}


def _content(stored: StoredInvite) -> dict[str, Any]:
    first = stored.public_keys[0]
    return {
        "display_name": stored.display_name,
        "key_validity_url": first["key_validity_url"],
        "public_key": first["public_key"],
        "public_keys": [{name: key[name] for name in ("public_key", "key_validity_url")} for key in stored.public_keys],
    }
