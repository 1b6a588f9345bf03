"""Invitations that are taken back, and knocks that are turned down, in rooms that this server is not in.

Spec: server-server API, "Transactions", "Inviting to a room". The room cannot be asked whether it allows this: what is
believed is a signed event of a server that knows the very invitation or knock that it ends.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ranvier.federation.screening import Screens
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of, is_user_id
from ranvier.rooms.outside_membership import OutsideMemberships
from ranvier.store.events import StoredEvent


class Rescinded:
    """Takes in what ends memberships of local users outside."""

    def __init__(self, *, screens: Screens, outside: OutsideMemberships, server_name: str) -> None:
        self._screens = screens
        self._outside = outside
        self._server_name = server_name

    async def receive(self, origin: str, room_id: str, pdus: Sequence[Mapping[str, Any]]) -> None:
        """Take in those of these events of a room in which none of our users is that end such a membership."""
        for pdu in pdus:
            user_id = pdu.get("state_key")
            if not self._may_be_one(origin, pdu) or not isinstance(user_id, str):
                continue
            standing = await self._outside.of(user_id, room_id)
            if standing is None or standing[0] not in ("invite", "knock"):
                continue
            await self._end(room_id, pdu, standing[1])

    def _may_be_one(self, origin: str, pdu: Mapping[str, Any]) -> bool:
        """What can be told without a statement."""
        content, sender, user_id = pdu.get("content"), pdu.get("sender"), pdu.get("state_key")
        return (
            pdu.get("type") == "m.room.member"
            and isinstance(content, dict)
            and content.get("membership") in ("leave", "ban")
            and isinstance(sender, str)
            and domain_of(sender) == origin
            and isinstance(user_id, str)
            and is_user_id(user_id)
            and domain_of(user_id) == self._server_name
        )

    async def _end(self, room_id: str, pdu: Mapping[str, Any], standing: StoredEvent) -> None:
        version = standing.event.version
        screening = await self._screens.screen([pdu], version, room_id=room_id)
        for one in screening.passed:
            if standing.event.event_id in one.event.auth_events and _ends(one.event):
                await self._outside.save(one.event, version)


def _ends(event: Event) -> bool:
    return event.membership in ("leave", "ban")
