"""Homeservers that reach each other without sockets, and servers that answer as a test wants."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from ranvier.app.homeserver import Homeserver as Server
from ranvier.app.homeserver import World
from ranvier.config.load import parse
from ranvier.db.open import open_database
from ranvier.http.listeners import app_for
from ranvier.ports import FederationAnswer, FederationUnreachable
from tests.api.answers import App
from tests.api.homeserver import OPTIONS, Homeserver

Answer = Callable[[str], FederationAnswer]
"""To a path with its query."""


class Wires:
    """Carries requests to other servers."""

    def __init__(self) -> None:
        self.apps: dict[str, App] = {}
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str]] = []

    async def request(
        self,
        *,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> FederationAnswer:
        """See `FederationTransport`."""
        self.asked.append((destination, target))
        if destination in self.answers:
            return self.answers[destination](target)
        if destination not in self.apps:
            raise FederationUnreachable(f"{destination} is not there")
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        status, answered, content = await self.apps[destination].handle(method, target, sent, body or b"")
        return FederationAnswer(status, {name.decode(): value.decode() for name, value in answered}, content)

    def media_asked(self) -> list[str]:
        """Which paths were asked for, without their queries."""
        return [target.partition("?")[0] for _, target in self.asked if "/media/" in target]


@asynccontextmanager
async def connected(
    folder: Path, wires: Wires, *names: str, options: Mapping[str, Any] | None = None
) -> AsyncIterator[list[Homeserver]]:
    """Servers of these names; their media are in `<folder>/<name>/media`."""
    async with AsyncExitStack() as stack:
        servers = []
        for number, name in enumerate(names):
            database = {"name": "sqlite3", "args": {"database": str(folder / f"{name}.db")}}
            config = parse(
                {
                    **OPTIONS,
                    "server_name": name,
                    "signing_key": f"ed25519 a_{number} {'ABCD'[number] * 42}A",
                    "federation_domain_whitelist": None,
                    "trusted_key_servers": [],
                    "listeners": [{"type": "http", "port": 0, "resources": [{"names": ["client", "federation"]}]}],
                    "database": database,
                    "media_store_path": str(folder / name / "media"),
                    **(options or {}),
                }
            )
            world = World(await open_database(config.database, now_ms=0), wires)
            server = await Server.start(config, world=world)
            stack.push_async_callback(server.close)
            app = app_for(
                config.listeners[0],
                server.routes,
                authenticator=server.users.sessions,
                servers=server.federation.authentication,
                limiters=server.limiters,
            )
            wires.apps[name] = app
            servers.append(Homeserver(server, app))
        yield servers


def refusal(status: int, errcode: str) -> FederationAnswer:
    """An error."""
    return FederationAnswer(status, {}, orjson.dumps({"errcode": errcode, "error": "no"}))


def two_parts(content: bytes, *heads: str, end: str = "--") -> FederationAnswer:
    """An answer whose second part has these headers."""
    second = "".join(f"{head}\r\n" for head in heads).encode()
    body = b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n" + second + b"\r\n" + content
    body += f"\r\n--b{end}\r\n".encode()
    return FederationAnswer(200, {"content-type": 'multipart/mixed; boundary="b"'}, body)
