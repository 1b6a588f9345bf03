"""Logging in with a token that somebody whom the operator trusts has signed. Configuration: `jwt_config`.

The type is `org.matrix.login.jwt`. Who has no account is given one.
"""

from typing import Final

from ranvier.config.proof_sections import JwtConfig
from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError, forbidden, missing_param
from ranvier.ratelimit import RateLimiter
from ranvier.store import users
from ranvier.users.create_account import Accounts, NewAccount
from ranvier.users.issue_login import IssuedLogin
from ranvier.users.login import Login, LoginRequest
from ranvier.users.profiles import MAX_DISPLAYNAME_LENGTH
from ranvier.users.text import is_storable

TYPE: Final = "org.matrix.login.jwt"
_IN_USE: Final = "M_USER_IN_USE"


class JwtLogin:
    """Reads the tokens."""

    def __init__(
        self, *, config: JwtConfig, db: Database, accounts: Accounts, login: Login, attempts: RateLimiter
    ) -> None:
        self._config = config
        self._db = db
        self._accounts = accounts
        self._login = login
        self._attempts = attempts

    async def log_in(self, wanted: LoginRequest) -> IssuedLogin:
        """A new login. Raises 403 `M_FORBIDDEN` for a token that is not valid, `M_USER_DEACTIVATED`; 401, 429."""
        if wanted.token is None:
            raise missing_param("token is missing")
        localpart, display_name = self._read(wanted.token)
        try:
            user_id = self._accounts.user_id(localpart)
        except MatrixError as error:
            raise forbidden("The token is for a name that no user can have") from error
        self._attempts.spend(user_id)
        user = await users.by_id(self._db, user_id)
        if user is None:
            name = display_name if display_name and is_storable(display_name) else localpart
            account = NewAccount(user_id=user_id, displayname=name[:MAX_DISPLAYNAME_LENGTH])
            try:
                self._accounts.check_not_reserved(user_id)
                await self._accounts.create(account, None)
            except MatrixError as error:
                # Another login of theirs may have been faster.
                if error.errcode != _IN_USE:
                    raise
            # It may be in the commit that is under way, which only a transaction sees.
            async with self._db.write() as tx:
                user = await users.by_id(tx, user_id)
        if user is None or user.deactivated:
            raise MatrixError(403, "M_USER_DEACTIVATED", "This account has been deactivated")
        return await self._login.admit(user, wanted.wish())

    def _read(self, token: str) -> tuple[str, str | None]:
        """The localpart and the display name. Raises 403 `M_FORBIDDEN`."""
        import jwt

        config = self._config
        required = [*(["iss"] if config.issuer is not None else []), *(["aud"] if config.audiences else [])]
        try:
            claims = jwt.decode(
                token,
                config.secret,
                algorithms=[config.algorithm],
                issuer=config.issuer,
                audience=config.audiences or None,
                options={"require": required},
            )
        except jwt.PyJWTError as error:
            raise forbidden(f"The token is not valid: {error}") from error
        localpart, display_name = claims.get(config.subject_claim), claims.get(config.display_name_claim or "")
        if not isinstance(localpart, str) or not localpart:
            raise forbidden("The token does not say who you are")
        return localpart, display_name if isinstance(display_name, str) else None
