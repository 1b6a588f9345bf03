"""Registration by whoever knows `registration_shared_secret`, whether registration is open or not.

The request is authenticated by an HMAC over a nonce that this server gave out less than a minute ago.
"""

import hashlib
import hmac
from typing import Final

import msgspec

from ranvier.config.model import Config
from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError, bad_json, forbidden, invalid_param
from ranvier.proto.ids import localpart_of
from ranvier.users.create_account import Accounts, NewAccount
from ranvier.users.issue_login import DeviceWish
from ranvier.users.password_policy import check_password
from ranvier.users.passwords import Passwords
from ranvier.users.registration import Registered, registered

NONCE_LIFETIME_MS: Final = 60_000
_MAX_NONCES: Final = 1_000


class SharedSecretRequest(msgspec.Struct):
    """The body of `POST /_synapse/admin/v1/register`."""

    nonce: str
    username: str
    password: str
    mac: str
    displayname: str | None = None
    admin: bool = False
    user_type: str | None = None
    inhibit_login: bool = False


class SharedSecretRegistration:
    """Gives out nonces and makes accounts."""

    def __init__(
        self, *, clock: Clock, random: Random, config: Config, accounts: Accounts, passwords: Passwords
    ) -> None:
        self._clock = clock
        self._random = random
        self._config = config
        self._accounts = accounts
        self._passwords = passwords
        self._nonces: dict[str, int] = {}
        """When each was given out, oldest first."""

    def new_nonce(self) -> str:
        """A nonce for one registration. Raises 400 `M_UNKNOWN` if there is no shared secret."""
        self._secret()
        nonce = self._random.token_bytes(32).hex()
        self._nonces[nonce] = self._clock.now_ms()
        for old, given_ts in list(self._nonces.items())[:2]:
            if given_ts + NONCE_LIFETIME_MS <= self._clock.now_ms() or len(self._nonces) > _MAX_NONCES:
                del self._nonces[old]
        return nonce

    async def register(self, wanted: SharedSecretRequest) -> Registered:
        """Make an account. Raises 403 `M_FORBIDDEN` for a wrong HMAC, 400 for everything else that is wrong."""
        secret = self._secret()
        given_ts = self._nonces.pop(wanted.nonce, None)
        if given_ts is None or given_ts + NONCE_LIFETIME_MS <= self._clock.now_ms():
            raise MatrixError(400, "M_UNKNOWN", "unrecognised nonce")
        if "\0" in wanted.username or "\0" in wanted.password:
            raise invalid_param("Neither user name nor password may hold NUL")
        self._accounts.check_user_type(wanted.user_type)
        if not hmac.compare_digest(_mac(secret, wanted).encode(), wanted.mac.lower().encode("utf-8", "replace")):
            raise forbidden("HMAC incorrect")
        user_id = self._accounts.user_id(wanted.username)
        check_password(wanted.password, self._config.password_config.policy)
        await self._accounts.check_available(user_id)
        account = NewAccount(
            user_id=user_id,
            password_hash=await self._passwords.hash(wanted.password),
            displayname=wanted.displayname or localpart_of(user_id),
            is_admin=wanted.admin,
            user_type=wanted.user_type,
        )
        login = await self._accounts.create(account, None if wanted.inhibit_login else DeviceWish())
        return registered(user_id, self._config.server_name, login)

    def _secret(self) -> str:
        if not self._config.registration_shared_secret:
            raise MatrixError(400, "M_UNKNOWN", "Shared secret registration is not enabled")
        return self._config.registration_shared_secret


def _mac(secret: str, wanted: SharedSecretRequest) -> str:
    parts = [wanted.nonce, wanted.username, wanted.password, "admin" if wanted.admin else "notadmin"]
    if wanted.user_type is not None:
        parts.append(wanted.user_type)
    try:
        message = "\0".join(parts).encode()
    except UnicodeEncodeError as error:
        raise bad_json("The request is not valid Unicode") from error
    return hmac.new(secret.encode(), message, hashlib.sha1).hexdigest()
