"""Builds what invites by an address, and lets new rooms do so too."""

from ranvier.app.accounts import UserServices
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.federation.memberships import RoomMemberships
from ranvier.rooms.create import Invite3pid
from ranvier.rooms.invite_address import AddressInvite, AddressInvites
from ranvier.users.requester import Requester


def build_address_invites(
    *, config: Config, users: UserServices, rooms: RoomServices, memberships: RoomMemberships
) -> AddressInvites:
    """Where identity servers are not asked every invitation is refused."""
    invites = AddressInvites(
        rooms=rooms.rooms,
        writer=rooms.writer,
        identity=users.identity_servers,
        invite=memberships.invite,
        is_offered=config.enable_3pid_lookup,
        web_client_location=config.invite_client_location,
    )

    async def invite(requester: Requester, room_id: str, wanted: Invite3pid) -> None:
        await invites.send(
            requester,
            room_id,
            AddressInvite(
                id_server=wanted.id_server,
                id_access_token=wanted.id_access_token,
                medium=wanted.medium,
                address=wanted.address,
            ),
        )

    if config.enable_3pid_lookup:
        rooms.creating.invite_by_address = invite
    return invites
