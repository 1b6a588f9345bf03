"""Registration by users themselves. Spec: client-server API, "Account registration" (`/register`)."""

from typing import Any

import msgspec

from ranvier.config.model import Config
from ranvier.db.engine import Database, UniqueViolation
from ranvier.ports import Clock, Random
from ranvier.proto.errors import MatrixError, forbidden, missing_param
from ranvier.proto.ids import localpart_of
from ranvier.store import tokens as token_store
from ranvier.store import users
from ranvier.users.consent import terms
from ranvier.users.create_account import Accounts, NewAccount, in_use
from ranvier.users.email_stage import REGISTER
from ranvier.users.interactive_auth import AuthSession, Flow, InteractiveAuth
from ranvier.users.issue_login import DeviceWish, IssuedLogin, LoginIssuer
from ranvier.users.monthly_users import MonthlyUsers
from ranvier.users.password_policy import check_password
from ranvier.users.passwords import Passwords
from ranvier.users.pushers import Pushers
from ranvier.users.registration_tokens import RegistrationTokens
from ranvier.users.sessions import Sessions
from ranvier.users.stages import DUMMY, EMAIL_IDENTITY, RECAPTCHA, REGISTRATION_TOKEN, TERMS
from ranvier.users.threepid_validation import Proof
from ranvier.users.threepids import attach
from ranvier.users.token_text import new_localpart, token_digest


class RegistrationRequest(msgspec.Struct):
    """The body of `POST /register`."""

    type: str | None = None
    """`m.login.application_service`, or anything."""
    auth: dict[str, Any] | None = None
    username: str | None = None
    password: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    inhibit_login: bool = False
    refresh_token: bool = False
    guest_access_token: str | None = None

    def wish(self) -> DeviceWish | None:
        """What it asks of the new device; None if there is to be none."""
        if self.inhibit_login:
            return None
        return DeviceWish(
            device_id=self.device_id,
            display_name=self.initial_device_display_name,
            refreshable=self.refresh_token,
        )


class Registered(msgspec.Struct, omit_defaults=True):
    """The answer of every kind of registration."""

    user_id: str
    home_server: str
    access_token: str | None = None
    device_id: str | None = None
    refresh_token: str | None = None
    expires_in_ms: int | None = None


def registered(user_id: str, server_name: str, login: IssuedLogin | None) -> Registered:
    """The answer for an account, with its login if it has one."""
    answer = Registered(user_id, server_name)
    if login is not None:
        answer.device_id = login.device_id
        answer.access_token = login.tokens.access_token
        answer.refresh_token = login.tokens.refresh_token
        answer.expires_in_ms = login.tokens.expires_in_ms
    return answer


class Registration:
    """Registers users and guests."""

    def __init__(
        self,
        *,
        db: Database,
        random: Random,
        config: Config,
        accounts: Accounts,
        issuer: LoginIssuer,
        interactive_auth: InteractiveAuth,
        passwords: Passwords,
        tokens: RegistrationTokens,
        sessions: Sessions,
        clock: Clock,
        mails_to: Pushers | None = None,
        monthly: MonthlyUsers | None = None,
    ) -> None:
        """`mails_to`: with whom new users who have an address are subscribed to mail about what they miss."""
        self._mails_to = mails_to
        self._monthly = monthly
        self._db = db
        self._clock = clock
        self._sessions = sessions
        self._random = random
        self._config = config
        self._accounts = accounts
        self._issuer = issuer
        self._interactive_auth = interactive_auth
        self._passwords = passwords
        self._tokens = tokens
        self._terms = terms(config)

    async def check_available(self, username: str) -> None:
        """Raises 403 `M_FORBIDDEN`, 400 `M_INVALID_USERNAME`, `M_USER_IN_USE` or `M_EXCLUSIVE`."""
        self._check_enabled()
        user_id = self._user_id(username)
        self._accounts.check_not_reserved(user_id)
        if not self._config.inhibit_user_in_use_error:
            await self._accounts.check_available(user_id)

    async def is_token_valid(self, token: str) -> bool:
        """Whether a registration token is valid now. Raises 403 `M_FORBIDDEN` if nobody can register."""
        self._check_enabled()
        return await self._tokens.is_valid(token)

    async def register(self, wanted: RegistrationRequest) -> Registered:
        """Make a user account, or one of a guest's; what can be refused is refused before anything has to be proved.

        Raises 401 `InteractiveAuthRequired`, 403 `M_FORBIDDEN` for a guest who is none, and what `check_available` and
        `check_password` raise.
        """
        self._check_enabled()
        wish = wanted.wish()
        self._issuer.check(wish or DeviceWish())
        if self._monthly is not None and not self._monthly.config.reserved:
            self._monthly.check_newcomer()
        if wanted.guest_access_token is not None:
            await self._check_guest(wanted.guest_access_token, wanted.username)
        elif wanted.username is not None:
            await self.check_available(wanted.username)
        if wanted.password is not None:
            check_password(wanted.password, self._config.password_config.policy)
        session = await self._interactive_auth.require(
            wanted.auth, operation=REGISTER, flows=self._flows(), user_id=None, params=self._params()
        )
        if wanted.password is None:
            raise missing_param("password is missing")
        if self._monthly is not None:
            proof = session.completed.get(EMAIL_IDENTITY)
            known = (proof.medium, proof.address) if isinstance(proof, Proof) else ()
            self._monthly.check_newcomer(*known)
        user_id = self._user_id(wanted.username) if wanted.username is not None else self._random_user_id()
        account = NewAccount(
            user_id=user_id,
            password_hash=await self._passwords.hash(wanted.password),
            displayname=localpart_of(user_id),
        )
        upgrade = wanted.guest_access_token is not None
        return registered(
            user_id, self._config.server_name, await self._create(account, wish, session, upgrade=upgrade)
        )

    async def register_guest(self, display_name: str | None) -> Registered:
        """Make a guest account. Raises 403 `M_FORBIDDEN`."""
        if not self._config.allow_guest_access:
            raise forbidden("Guest access is disabled")
        if self._monthly is not None:
            self._monthly.check_newcomer()
        wish = DeviceWish(display_name=display_name)
        self._issuer.check(wish)
        user_id = self._random_user_id()
        login = await self._accounts.create(NewAccount(user_id=user_id, is_guest=True), wish)
        return registered(user_id, self._config.server_name, login)

    async def _check_guest(self, token: str, username: str | None) -> None:
        """Raises 403 `M_FORBIDDEN` unless this is a guest's access token and the name is theirs."""
        if username is None:
            raise missing_param("username is missing")
        guest = await token_store.owner(self._db, token_digest(token))
        if guest is None or not guest.is_guest or guest.deactivated or guest.locked:
            raise forbidden("Invalid guest access token")
        if guest.expires_ts is not None and guest.expires_ts <= self._clock.now_ms():
            raise forbidden("The guest access token has expired")
        if guest.user_id != self._accounts.user_id(username):
            raise forbidden("This is not the guest's access token")

    async def _create(
        self, account: NewAccount, wish: DeviceWish | None, session: AuthSession, *, upgrade: bool
    ) -> IssuedLogin | None:
        """One transaction: the token is used exactly if the account is made."""
        token, consent = session.completed.get(REGISTRATION_TOKEN), session.completed.get(TERMS)
        proof = session.completed.get(EMAIL_IDENTITY)
        try:
            async with self._db.write() as tx:
                if isinstance(token, str):
                    await self._tokens.use(tx, token)
                if upgrade:
                    await self._accounts.upgrade_guest(tx, account)
                else:
                    await self._accounts.insert(tx, account)
                if isinstance(proof, Proof):
                    await attach(tx, account.user_id, proof, now_ms=self._clock.now_ms())
                    if self._mails_to is not None:
                        await self._mails_to.subscribe(tx, account.user_id, proof.address)
                if isinstance(consent, str):
                    await users.set_consent(tx, account.user_id, consent, self._clock.now_ms())
                login = None if wish is None else await self._issuer.issue(tx, account.user_id, wish)
        except UniqueViolation as error:
            raise in_use() from error
        self._sessions.forget_user(account.user_id)
        self._interactive_auth.end(session)
        if self._mails_to is not None and isinstance(proof, Proof):
            self._mails_to.mail_wanted(account.user_id)
        if isinstance(token, str):
            self._tokens.release(token, session.session_id)
        if not upgrade:
            await self._accounts.welcome(account)
        return login

    def _check_enabled(self) -> None:
        if not self._config.enable_registration:
            raise forbidden("Registration is disabled")

    def _flows(self) -> list[Flow]:
        """The dummy stage after a token is what deployed clients go through (matrix-nio expects it)."""
        stages = [RECAPTCHA] if self._config.captcha is not None else []
        stages += [REGISTRATION_TOKEN] if self._config.registration_requires_token else []
        agreeing = [] if self._terms is None else [TERMS]
        flows: list[Flow] = []
        if "email" not in self._config.registrations_require_3pid:
            flows.append([*stages, *(agreeing or [DUMMY])])
        if self._config.email is not None:
            flows.append([*stages, *agreeing, EMAIL_IDENTITY])
        return flows

    def _params(self) -> dict[str, dict[str, Any]]:
        captcha = self._config.captcha
        return {
            **({} if captcha is None else {RECAPTCHA: {"public_key": captcha.public_key}}),
            **({} if self._terms is None else {TERMS: self._terms}),
        }

    def _user_id(self, username: str) -> str:
        """Raises 400 `M_INVALID_USERNAME`."""
        user_id = self._accounts.user_id(username)
        if username.startswith("_") and not self._config.allow_underscore_prefixed_registration:
            raise MatrixError(400, "M_INVALID_USERNAME", "A user name may not begin with an underscore")
        if username.isdigit():
            raise MatrixError(400, "M_INVALID_USERNAME", "User names of digits alone are reserved")
        return user_id

    def _random_user_id(self) -> str:
        return self._accounts.user_id(new_localpart(self._random))
