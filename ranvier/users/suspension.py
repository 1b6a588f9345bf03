"""What a suspended user may not do. Spec: client-server API, "Account suspension".

Suspended users read, leave, redact what they said themselves, verify their devices, log in and out and deactivate their
account; what would be said or shown to others is refused.
"""

from ranvier.proto.errors import MatrixError
from ranvier.users.requester import Requester


def check_active(requester: Requester) -> None:
    """Raises 403 `M_USER_SUSPENDED` for a suspended user."""
    if requester.suspended:
        raise MatrixError(403, "M_USER_SUSPENDED", "You cannot do this while your account is suspended")
