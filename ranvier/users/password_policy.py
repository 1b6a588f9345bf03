"""Which passwords may be chosen. Spec: client-server API, "Password management"; MSC2000 for the rules."""

from ranvier.config.sections import PasswordPolicy
from ranvier.proto.errors import MatrixError, invalid_param
from ranvier.users.passwords import MAX_PASSWORD_LENGTH


def check_password(password: str, policy: PasswordPolicy) -> None:
    """Raises 400 `M_INVALID_PARAM` for what is no password at all, `M_WEAK_PASSWORD` for what the policy forbids."""
    if not password or len(password) > MAX_PASSWORD_LENGTH:
        raise invalid_param(f"A password has 1 to {MAX_PASSWORD_LENGTH} characters")
    if not policy.enabled:
        return
    if len(password) < policy.minimum_length:
        raise _weak(f"at least {policy.minimum_length} characters")
    if policy.require_digit and not any(letter.isdigit() for letter in password):
        raise _weak("at least one digit")
    if policy.require_symbol and all(letter.isalnum() for letter in password):
        raise _weak("at least one symbol")
    if policy.require_lowercase and not any(letter.islower() for letter in password):
        raise _weak("at least one lower-case letter")
    if policy.require_uppercase and not any(letter.isupper() for letter in password):
        raise _weak("at least one upper-case letter")


def _weak(need: str) -> MatrixError:
    return MatrixError(400, "M_WEAK_PASSWORD", f"The password needs {need}")
