"""The users domain, built by hand as the application does, with a clock that stands still and seeded chance."""

import random
from dataclasses import dataclass
from typing import Any

from ranvier.config.load import parse
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError
from ranvier.ratelimit import RateLimiter
from ranvier.users.account import AccountChanges
from ranvier.users.account_data import AccountData
from ranvier.users.application_services import ApplicationServices
from ranvier.users.create_account import Accounts
from ranvier.users.device_removal import DeviceRemoval
from ranvier.users.devices import Devices
from ranvier.users.filters import Filters
from ranvier.users.interactive_auth import InteractiveAuth, InteractiveAuthRequired
from ranvier.users.issue_login import IssuedLogin, LoginIssuer, TokenLifetimes
from ranvier.users.last_seen import LastSeen
from ranvier.users.login import Login, LoginRequest
from ranvier.users.login_tokens import LoginTokens
from ranvier.users.logout import Logout
from ranvier.users.password_login import PasswordCheck
from ranvier.users.passwords import Passwords
from ranvier.users.profiles import Profiles
from ranvier.users.reauthentication import Reauthentication
from ranvier.users.refresh import Refreshing
from ranvier.users.registration import Registered, Registration, RegistrationRequest
from ranvier.users.registration_tokens import RegistrationTokens
from ranvier.users.requester import Requester
from ranvier.users.sessions import Sessions
from ranvier.users.shared_secret import SharedSecretRegistration
from ranvier.users.stages import DUMMY, PASSWORD, REGISTRATION_TOKEN, DummyStage, PasswordStage, RegistrationTokenStage

SERVER_NAME = "example.org"


class StillClock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


class SeededRandom:
    """The same bytes in every run."""

    def __init__(self) -> None:
        self._random = random.Random(20_240_229)

    def token_bytes(self, size_bytes: int) -> bytes:
        return self._random.randbytes(size_bytes)


def configuration(**options: Any) -> Config:
    """A configuration that lets people in and hashes quickly."""
    return parse(
        {
            "server_name": SERVER_NAME,
            "enable_registration": True,
            "enable_registration_without_verification": True,
            "bcrypt_rounds": 4,
        }
        | options
    )


@dataclass(slots=True, kw_only=True)
class World:
    """Everything the tests talk to."""

    db: Database
    config: Config
    clock: StillClock
    sessions: Sessions
    last_seen: LastSeen
    removal: DeviceRemoval
    passwords: Passwords
    password_check: PasswordCheck
    accounts: Accounts
    login: Login
    logout: Logout
    refreshing: Refreshing
    registration: Registration
    registration_tokens: RegistrationTokens
    shared_secret: SharedSecretRegistration
    interactive_auth: InteractiveAuth
    devices: Devices
    account: AccountChanges
    profiles: Profiles
    filters: Filters
    account_data: AccountData
    issuer: LoginIssuer

    async def register(self, username: str = "alice", password: str = "wonderland", **wish: Any) -> Registered:
        """Register an account, with whatever has to be proved."""
        wanted = RegistrationRequest(username=username, password=password, **wish)
        wanted.auth = {"type": "m.login.dummy", "session": await first_session(self.registration.register(wanted))}
        return await self.registration.register(wanted)

    async def log_in(self, username: str = "alice", password: str = "wonderland", **wish: Any) -> IssuedLogin:
        """Log in with a password."""
        return await self.login.login(
            LoginRequest(
                type="m.login.password", identifier={"type": "m.id.user", "user": username}, password=password, **wish
            )
        )

    async def requester(self, username: str = "alice", **wish: Any) -> Requester:
        """A registered user with a login."""
        registered = await self.register(username, **wish)
        assert registered.access_token is not None
        return await self.sessions.authenticate(registered.access_token)


async def first_session(call: Any) -> str:
    """The session that a call without `auth` is told of."""
    try:
        await call
    except InteractiveAuthRequired as required:
        assert required.errcode == ""
        return str(required.extra["session"])
    raise AssertionError("the call succeeded without auth")


async def refused(call: Any) -> MatrixError:
    """The error that a call ends with."""
    try:
        await call
    except MatrixError as error:
        return error
    raise AssertionError("the call was not refused")


async def build_world(db: Database, config: Config) -> World:
    """Build it all."""
    clock, chance = StillClock(), SeededRandom()
    last_seen = LastSeen(db=db, clock=clock)
    sessions = Sessions(db=db, clock=clock, last_seen=last_seen)
    removal = DeviceRemoval(db=db, sessions=sessions, last_seen=last_seen)
    issuer = LoginIssuer(clock=clock, random=chance, lifetimes=TokenLifetimes.of(config))
    passwords = Passwords(config=config.password_config, bcrypt_rounds=config.bcrypt_rounds)
    password_check = PasswordCheck(
        db=db,
        passwords=passwords,
        server_name=config.server_name,
        config=config.password_config,
        failures=RateLimiter(config.rc_login.failed_attempts, clock=clock),
    )
    registration_tokens = RegistrationTokens(db=db, clock=clock, random=chance)
    interactive_auth = InteractiveAuth(
        clock=clock,
        random=chance,
        stages={
            DUMMY: DummyStage(),
            PASSWORD: PasswordStage(passwords=password_check),
            REGISTRATION_TOKEN: RegistrationTokenStage(tokens=registration_tokens),
        },
    )
    reauthentication = Reauthentication(
        interactive_auth=interactive_auth,
        config=config.password_config,
        clock=clock,
        session_timeout_ms=config.ui_auth_session_timeout_ms,
    )
    login_tokens = LoginTokens(
        db=db,
        clock=clock,
        random=chance,
        config=config.login_via_existing_session,
        reauthentication=reauthentication,
    )
    accounts = Accounts(db=db, clock=clock, server_name=config.server_name, issuer=issuer)
    profiles = Profiles(db=db, config=config)
    return World(
        db=db,
        config=config,
        clock=clock,
        sessions=sessions,
        last_seen=last_seen,
        removal=removal,
        passwords=passwords,
        password_check=password_check,
        accounts=accounts,
        issuer=issuer,
        login=Login(
            db=db,
            config=config.password_config,
            passwords=password_check,
            issuer=issuer,
            sessions=sessions,
            tokens=login_tokens,
            attempts=RateLimiter(config.rc_login.account, clock=clock),
            services=ApplicationServices((), server_name=config.server_name),
        ),
        logout=Logout(removal=removal),
        refreshing=Refreshing(db=db, clock=clock, issuer=issuer, sessions=sessions),
        registration=Registration(
            db=db,
            random=chance,
            config=config,
            accounts=accounts,
            issuer=issuer,
            interactive_auth=interactive_auth,
            passwords=passwords,
            tokens=registration_tokens,
            sessions=sessions,
            clock=clock,
        ),
        registration_tokens=registration_tokens,
        shared_secret=SharedSecretRegistration(
            clock=clock, random=chance, config=config, accounts=accounts, passwords=passwords
        ),
        interactive_auth=interactive_auth,
        devices=Devices(db=db, last_seen=last_seen, removal=removal, reauthentication=reauthentication),
        account=AccountChanges(
            db=db,
            config=config.password_config,
            passwords=passwords,
            profiles=profiles,
            removal=removal,
            sessions=sessions,
            reauthentication=reauthentication,
        ),
        profiles=profiles,
        filters=Filters(db=db),
        account_data=await AccountData.load(db),
    )
