"""Nobody makes this server connect to where it must not (SSRF): there is one way out, and it looks at the address."""

import ast
import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.asgi import Client
from tests.api.homeserver import running

ROOT = Path(__file__).parents[2] / "ranvier"

MAY_CONNECT = {
    # The way out to other servers. `gate.py` hands out every socket of the HTTP client.
    "net/dns.py",
    "net/exchange.py",
    "net/gate.py",
    "net/https.py",
    "net/large_body.py",
    # To web pages, through the gate too.
    "net/web.py",
    # To services that the operator has named.
    "net/named_services.py",
    # To an address from the operator's files.
    "log/remote.py",
    "db/postgres.py",
    "db/postgres_copy.py",
    "db/postgres_errors.py",
    "db/postgres_pool.py",
    "app/service_manager.py",
    "app/tracing/open.py",
    "log/sentry.py",
    "mail/smtp.py",
    # Commands of the operator, at a terminal.
    "register_new_matrix_user.py",
    "cli/rooms_partial.py",
    "cli/doctor_knock.py",
    "cli/doctor_ports.py",
    # Listeners, and what asks whether this machine has IPv6.
    "app/homeserver.py",
    "config/generate.py",
    "http/sockets.py",
    "http/listeners.py",
    "http/other_listeners.py",
    "app/manhole/open.py",
}
"""Modules that may import what opens connections."""
CLIENTS = {
    "aiohttp",
    "socket",
    "http.client",
    "urllib.request",
    "asyncpg",
    "aiodns",
    "aiosmtplib",
    "smtplib",
    "ftplib",
    "requests",
    "sentry_sdk",
}
FAMILIES = ("aiohttp.", "sentry_sdk.", "opentelemetry.exporter.")
CALLS = {"create_connection", "open_connection", "create_unix_connection", "sock_connect", "create_datagram_endpoint"}


def _ways(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name in CLIENTS)
            case ast.ImportFrom(module=str(module)) if module in CLIENTS or module.startswith(FAMILIES):
                yield module
            case ast.Attribute(attr=name) if name in CALLS:
                yield name


def test_one_way_out() -> None:
    found: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        if ways := set(_ways(path.read_text())):
            found[path.relative_to(ROOT).as_posix()] = ways
    assert found.keys() <= MAY_CONNECT, {name: found[name] for name in found.keys() - MAY_CONNECT}


class Trap:
    """Listens on this machine, and counts who comes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.visits = 0


@asynccontextmanager
async def trap() -> AsyncIterator[Trap]:
    found = Trap(0)

    async def visit(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.visits += 1
        writer.close()

    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


def _requests(name: str, alice: str) -> list[tuple[str, str, Any]]:
    """Every request of a client that names a server which is then asked."""
    user, room, alias, event = f"@x:{name}", f"!x:{name}", f"#x:{name}", "$" + "x" * 43
    named = quote(name, safe="")
    return [
        ("POST", f"/join/{quote(alias)}", {}),
        ("POST", f"/join/{quote(room)}?via={named}&server_name={named}", {}),
        ("POST", f"/rooms/{quote(room)}/join", {}),
        ("POST", f"/knock/{quote(room)}?via={named}", {}),
        ("GET", f"/directory/room/{quote(alias)}", None),
        ("GET", f"/publicRooms?server={named}", None),
        ("POST", f"/publicRooms?server={named}", {}),
        ("GET", f"/profile/{quote(user)}", None),
        ("GET", f"/profile/{quote(user)}/displayname", None),
        ("POST", "/keys/query", {"device_keys": {user: []}}),
        ("POST", "/keys/claim", {"one_time_keys": {user: {"D": "signed_curve25519"}}}),
        ("PUT", "/sendToDevice/x/1", {"messages": {user: {"*": {}}}}),
        ("POST", "/createRoom", {"invite": [user]}),
        ("GET", f"/rooms/{quote(room)}/event/{quote(event)}", None),
        ("GET", f"/rooms/{quote(room)}/summary?via={named}", None),
        ("POST", f"/user/{quote(alice)}/openid/request_token", {}),
    ]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "[::127.0.0.1]"],
)
async def test_clients_name_this_machine_as_a_server(tmp_path: Path, host: str) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with trap() as trapped, running(database, federation_domain_whitelist=None) as homeserver:
        alice = await homeserver.register("alice")
        client = Client(homeserver.unchecked, token=alice.token, user_id=alice.user_id)
        for method, path, body in _requests(f"{host}:{trapped.port}", alice.user_id):
            answer = await client.request(method, "/_matrix/client/v3" + path, body)
            assert answer.status < 500 or answer.status in (502, 504), (method, path, answer.status, answer.body)
        assert trapped.visits == 0


async def test_the_trap_works(tmp_path: Path) -> None:
    """With the addresses allowed, the same request arrives."""
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    options: dict[str, Any] = {"federation_domain_whitelist": None, "ip_range_blacklist": []}
    async with trap() as trapped, running(database, **options) as homeserver:
        alice = await homeserver.register("alice")
        await alice.get(f"/directory/room/{quote(f'#x:127.0.0.1:{trapped.port}')}")
        assert trapped.visits > 0
