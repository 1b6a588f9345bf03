"""Which invitations this server lets through, before the room's own rules are asked.

Spec: client-server API, "Invite permission". Configuration: `block_non_admin_invites`.
"""

from ranvier.proto.errors import MatrixError, forbidden
from ranvier.proto.ids import domain_of
from ranvier.users.invite_permission import InvitePermission
from ranvier.users.requester import Requester


class InviteRules:
    """Judges invitations of local users."""

    def __init__(self, *, server_name: str, permission: InvitePermission, only_admins_invite: bool) -> None:
        self._server_name = server_name
        self._permission = permission
        self._only_admins_invite = only_admins_invite

    async def check(self, requester: Requester, target: str) -> None:
        """Raises 403 `M_FORBIDDEN` where only admins may invite, and `M_INVITE_BLOCKED` if the user wants none.

        One statement for a local user, none for others: their own servers decide.
        """
        if domain_of(target) != self._server_name:
            return
        if self._only_admins_invite and not requester.is_admin:
            raise forbidden("Only administrators of this server may invite its users")
        if await self._permission.blocks(target):
            raise MatrixError(403, "M_INVITE_BLOCKED", "This user does not accept invitations")


def third_party_invites_denied() -> MatrixError:
    """403 `M_THREEPID_DENIED`: no identity server is asked whose address it is."""
    return MatrixError(403, "M_THREEPID_DENIED", "Invitations by e-mail or telephone are not offered here")
