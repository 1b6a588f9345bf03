"""What a locked user is told. Spec: client-server API, "Account locking"."""

from ranvier.proto.errors import MatrixError


def user_locked() -> MatrixError:
    """401 `M_USER_LOCKED`; the client keeps what it has stored."""
    return MatrixError(401, "M_USER_LOCKED", "This account has been locked", extra={"soft_logout": True})
