"""The stage `m.login.email.identity`: the client says in which session an address was proved.

Spec: client-server API, "Email-based (identity / homeserver)".
"""

from collections.abc import Mapping
from typing import Any, Final

from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError, bad_json, missing_param
from ranvier.store import threepid_validations, user_identities, users
from ranvier.users.interactive_auth import AuthSession
from ranvier.users.locking import user_locked
from ranvier.users.threepid_validation import Proof, ThreepidValidation

REGISTER: Final = "register"
"""The operation in whose sessions an address is proved that no account has; in others it is one of an account."""


class EmailStage:
    """In a registration the result is the `Proof`, which the new account uses up; else the id of the account's user."""

    def __init__(self, *, db: Database, validation: ThreepidValidation) -> None:
        self._db = db
        self._validation = validation

    async def attempt(self, auth: Mapping[str, Any], session: AuthSession) -> object:
        is_new = session.operation == REGISTER
        session_id, client_secret = _credentials(auth)
        proof = await self._validation.proof("registration" if is_new else "password_reset", session_id, client_secret)
        if proof is None:
            raise _not_proved()
        return proof if is_new else await self._owner(proof)

    async def _owner(self, proof: Proof) -> str:
        """Whose address it is; one link lets one thing be done."""
        user_id = await user_identities.by_threepid(self._db, proof.medium, proof.address)
        user = None if user_id is None else await users.by_id(self._db, user_id)
        if user is None or user.deactivated:
            raise MatrixError(403, "M_THREEPID_NOT_FOUND", "No account has this address")
        if user.locked:
            raise user_locked()
        async with self._db.write() as tx:
            if not await threepid_validations.delete(tx, proof.session_id):
                raise _not_proved()
        return user.user_id


def _credentials(auth: Mapping[str, Any]) -> tuple[str, str]:
    """Older clients write the key in their own way."""
    found = auth.get("threepid_creds", auth.get("threepidCreds"))
    if found is None:
        raise missing_param("auth.threepid_creds is missing")
    if not isinstance(found, Mapping):
        raise bad_json("auth.threepid_creds must be an object")
    session_id, client_secret = found.get("sid"), found.get("client_secret")
    if not isinstance(session_id, str) or not isinstance(client_secret, str):
        raise bad_json("auth.threepid_creds needs sid and client_secret")
    return session_id, client_secret


def _not_proved() -> MatrixError:
    return MatrixError(401, "M_THREEPID_AUTH_FAILED", "The link in the mail has not been opened yet")
