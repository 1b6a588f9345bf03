"""Making an account, and which user ids may be made. Spec: appendices, "User Identifiers"."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ranvier.config.account_sections import USER_TYPES, UserTypes
from ranvier.db.engine import Database, Tx, UniqueViolation
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, forbidden, invalid_param
from ranvier.proto.ids import is_new_user_id
from ranvier.store import profiles, users
from ranvier.store.users import UserRow
from ranvier.users.issue_login import DeviceWish, IssuedLogin, LoginIssuer


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to make."""

    user_id: str
    password_hash: str | None = None
    displayname: str | None = None
    is_admin: bool = False
    is_guest: bool = False
    user_type: str | None = None
    appservice_id: str | None = None


class Accounts:
    """Makes accounts."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        server_name: str,
        issuer: LoginIssuer,
        is_exclusive: Callable[[str], bool] = lambda user_id: False,
        user_types: UserTypes | None = None,
    ) -> None:
        self._user_types = user_types or UserTypes()
        self._db = db
        self._clock = clock
        self._server_name = server_name
        self._issuer = issuer
        self._is_exclusive = is_exclusive
        self.welcomes: list[Callable[[NewAccount], Awaitable[None]]] = []
        """What is done for everybody who has got an account."""

    def user_id(self, username: str) -> str:
        """The id for a user name, which is put in lower case. Raises 400 `M_INVALID_USERNAME`."""
        user_id = f"@{username.lower()}:{self._server_name}"
        if not is_new_user_id(user_id):
            raise MatrixError(
                400,
                "M_INVALID_USERNAME",
                "A user name consists of a-z, 0-9 and . _ = - / +, and is not longer than a user id may be",
            )
        return user_id

    async def check_available(self, user_id: str) -> None:
        """Raises 400 `M_USER_IN_USE` or `M_EXCLUSIVE`."""
        self.check_not_reserved(user_id)
        if await users.by_id(self._db, user_id) is not None:
            raise in_use()

    def check_user_type(self, user_type: str | None) -> None:
        """Raises 400 `M_INVALID_PARAM` for a type that does not exist."""
        if user_type is not None and user_type not in USER_TYPES and user_type not in self._user_types.extra:
            raise invalid_param("Unknown user_type")

    def check_not_reserved(self, user_id: str) -> None:
        """Raises 400 `M_EXCLUSIVE` for an id that is an application service's alone."""
        if self._is_exclusive(user_id):
            raise MatrixError(400, "M_EXCLUSIVE", "This user name is reserved for an application service")

    async def create(self, account: NewAccount, wish: DeviceWish | None) -> IssuedLogin | None:
        """Make an account, with a login unless `wish` is None. One transaction. Raises 400 `M_USER_IN_USE`."""
        try:
            async with self._db.write() as tx:
                await self.insert(tx, account)
                login = None if wish is None else await self._issuer.issue(tx, account.user_id, wish)
        except UniqueViolation as error:
            raise in_use() from error
        await self.welcome(account)
        return login

    async def create_if_missing(self, account: NewAccount) -> None:
        """Make an account without a login, unless there is one. Nobody is welcomed."""
        if await users.by_id(self._db, account.user_id) is None:
            async with self._db.write() as tx:
                await self._insert(tx, account, account.user_type)

    async def welcome(self, account: NewAccount) -> None:
        """The account is there; its user is welcome. For who has made it with `insert`, after the commit."""
        for welcome in self.welcomes:
            await welcome(account)

    async def upgrade_guest(self, tx: Tx, account: NewAccount) -> None:
        """Make a full account of a guest's, who keeps their rooms and devices. Raises 403 if it is none any more."""
        if not await users.upgrade_guest(tx, account.user_id, account.password_hash):
            raise forbidden("This account cannot be upgraded")

    async def insert(self, tx: Tx, account: NewAccount) -> None:
        """The rows of an account. Raises `UniqueViolation` if the id was ever given out.

        Who is given no type has that of `user_types.default_user_type`, but for guests and users of services.
        """
        user_type = account.user_type
        if user_type is None and not account.is_guest and account.appservice_id is None:
            user_type = self._user_types.default
        await self._insert(tx, account, user_type)

    async def _insert(self, tx: Tx, account: NewAccount, user_type: str | None) -> None:
        await users.insert(
            tx,
            UserRow(
                user_id=account.user_id,
                password_hash=account.password_hash,
                creation_ts=self._clock.now_ms(),
                is_admin=account.is_admin,
                is_guest=account.is_guest,
                user_type=user_type,
                appservice_id=account.appservice_id,
            ),
        )
        await profiles.save(
            tx, account.user_id, {} if account.displayname is None else {"displayname": account.displayname}
        )


def in_use() -> MatrixError:
    """400 `M_USER_IN_USE`."""
    return MatrixError(400, "M_USER_IN_USE", "Desired user ID is already taken")
