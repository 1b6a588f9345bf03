"""A whole homeserver in the test's own event loop, with its database and without sockets."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any

from ranvier.app.homeserver import Homeserver as Server
from ranvier.config.load import parse
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.http.listeners import app_for
from ranvier.ports import Clock
from tests.api.answers import App, CheckedApp
from tests.api.asgi import Client

SERVER_NAME = "ranvier.test"

OPTIONS: Mapping[str, Any] = {
    "server_name": SERVER_NAME,
    "signing_key": "ed25519 a_test AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "listeners": [{"type": "http", "port": 0, "resources": [{"names": ["client"]}]}],
    "enable_registration": True,
    "enable_registration_without_verification": True,
    "allow_guest_access": True,
    "bcrypt_rounds": 4,
    # Nobody is looked for outside.
    "federation_domain_whitelist": [],
    **{
        limit: {"per_second": 10_000, "burst_count": 10_000}
        for limit in ("rc_message", "rc_registration", "rc_joins_per_room", "rc_room_creation")
    },
    "rc_login": {
        kind: {"per_second": 10_000, "burst_count": 10_000} for kind in ("address", "account", "failed_attempts")
    },
    "rc_joins": {kind: {"per_second": 10_000, "burst_count": 10_000} for kind in ("local", "remote")},
    "rc_federation": {"sleep_limit": 10_000, "reject_limit": 10_000, "concurrent": 1_000},
    "rc_presence": {"per_user": {"per_second": 10_000, "burst_count": 10_000}},
    "rc_invites": {
        kind: {"per_second": 10_000, "burst_count": 10_000} for kind in ("per_room", "per_user", "per_issuer")
    },
}


class Homeserver:
    """A running server, and clients for it."""

    def __init__(self, server: Server, unchecked: App) -> None:
        self.server = server
        self.unchecked = unchecked
        """Its application as it is, for answers that are described elsewhere (those to other servers)."""
        self.app = CheckedApp(unchecked, server.routes)

    @property
    def db(self) -> Database:
        """The database, to count what is asked of it."""
        return self.server.db

    def stranger(self) -> Client:
        """A client without an account."""
        return Client(self.app)

    async def register(self, name: str, *, is_guest: bool = False) -> Client:
        """A new account, logged in."""
        body = {"username": name, "password": "correct horse", "auth": {"type": "m.login.dummy"}}
        path = "/register?kind=guest" if is_guest else "/register"
        answer = (await self.stranger().post(path, {} if is_guest else body)).ok()
        return Client(self.app, token=answer["access_token"], user_id=answer["user_id"])


@asynccontextmanager
async def running(
    database: Mapping[str, Any], clock: Clock | None = None, /, **options: object
) -> AsyncIterator[Homeserver]:
    """A server on this database (as in a configuration file), with further options."""
    with TemporaryDirectory() as folder:
        media = {"media_store_path": f"{folder}/media"}
        config = parse({**OPTIONS, **media, "database": database, **options})
        async with _served(config, clock) as homeserver:
            yield homeserver


@asynccontextmanager
async def _served(config: Config, clock: Clock | None) -> AsyncIterator[Homeserver]:
    server = await Server.start(config, clock=clock)
    try:
        app = app_for(
            config.listeners[0],
            server.routes,
            authenticator=server.users.sessions,
            servers=server.federation.authentication,
            limiters=server.limiters,
        )
        yield Homeserver(server, app)
    finally:
        await server.close()
