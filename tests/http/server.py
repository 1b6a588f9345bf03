"""A small server for tests of the HTTP layer: routes of the test's own, real sockets, a client that sends bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from ranvier.config.sections import Listener, Resource
from ranvier.http.listeners import HttpListeners, serve_listeners
from ranvier.http.route import Route
from ranvier.proto.errors import MatrixError
from ranvier.ratelimit import RateLimiter
from ranvier.users.requester import Masquerade, Requester

ALICE = Requester("@alice:test", "PHONE", 1)
USERS = {
    "alice": ALICE,
    "admin": replace(ALICE, user_id="@admin:test", is_admin=True),
    "guest": replace(ALICE, user_id="@guest:test", is_guest=True),
    "locked": replace(ALICE, user_id="@locked:test", locked=True),
}

LISTENER = Listener(
    type="http",
    port=0,
    bind_addresses=("127.0.0.1",),
    path=None,
    mode=None,
    tls=False,
    x_forwarded=False,
    tag=None,
    request_id_header=None,
    resources=(Resource(("client",), compress=False),),
)


class Tokens:
    """Every name in `USERS` is its own token."""

    def __init__(self) -> None:
        self.masquerade: Masquerade | None = None

    async def authenticate(
        self,
        token: str,
        *,
        client_ip: str,
        user_agent: str,
        masquerade: Masquerade | None,
    ) -> Requester:
        self.masquerade = masquerade
        if token not in USERS:
            raise MatrixError(
                401,
                "M_UNKNOWN_TOKEN",
                "Unknown access token",
                extra={"soft_logout": False},
            )
        return USERS[token]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def errcode(self) -> str:
        code = self.json["errcode"]
        assert isinstance(code, str)
        return code


@contextlib.asynccontextmanager
async def serving(
    routes: Iterable[Route],
    *,
    listener: Listener = LISTENER,
    limiters: Mapping[str, RateLimiter] | None = None,
    tokens: Tokens | None = None,
) -> AsyncIterator[HttpListeners]:
    """`routes` on one listener."""
    listeners = await serve_listeners(routes, [listener], authenticator=tokens or Tokens(), limiters=limiters or {})
    try:
        yield listeners
    finally:
        await listeners.stop(grace_s=0.2)


def port_of(listeners: HttpListeners) -> int:
    """The TCP port of the first socket."""
    address = listeners.addresses[0][1]
    assert isinstance(address, tuple)
    port = address[1]
    assert isinstance(port, int)
    return port


async def ask(
    listeners: HttpListeners,
    method: str,
    path: str,
    *,
    token: str | None = None,
    json: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request on its own connection."""
    body = content if content is not None else b"" if json is None else orjson.dumps(json)
    lines = [f"{method} {path} HTTP/1.1", "Host: test", "Connection: close"]
    if method not in ("GET", "HEAD", "OPTIONS"):
        lines.append(f"Content-Length: {len(body)}")
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return parse(await exchange(listeners, "\r\n".join(lines).encode() + b"\r\n\r\n" + body))


async def exchange(listeners: HttpListeners, sent: bytes) -> bytes:
    """Send bytes and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listeners))
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def parse(raw: bytes) -> Answer:
    """The response in `raw`, which holds nothing else."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunk(body)
    return Answer(int(first.split(" ")[1]), headers, body)


def _unchunk(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return whole
