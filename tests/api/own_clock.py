"""A whole homeserver whose wall clock the test sets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ranvier.app.homeserver import Homeserver as Server
from ranvier.config.load import parse
from ranvier.http.listeners import app_for
from ranvier.ports import SystemClock
from tests.api.homeserver import OPTIONS, Homeserver


class OwnClock(SystemClock):
    """Stands still, as far as the time of day is concerned."""

    def __init__(self, now_ms: int) -> None:
        self.now = now_ms

    def now_ms(self) -> int:
        return self.now


@asynccontextmanager
async def running_at(clock: OwnClock, folder: Path, **options: object) -> AsyncIterator[Homeserver]:
    """A server on SQLite."""
    database = {"name": "sqlite3", "args": {"database": str(folder / "own_clock.db")}}
    config = parse({**OPTIONS, "database": database, **options})
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
