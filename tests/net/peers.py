"""Servers on loopback that say exactly what a test wants, over real TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    sni: str | None
    connection: int
    """Which of the server's connections brought it, from 1 up."""


Answering = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class TlsPeer:
    """A running server."""

    port: int
    requests: list[Asked] = field(default_factory=list)
    connections: int = 0

    @property
    def last(self) -> Asked:
        """The newest request."""
        return self.requests[-1]


def says(body: bytes, *, status: str = "200 OK", headers: str = "") -> Answering:
    """Answers everything with this."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


@asynccontextmanager
async def tls_peer(context: ssl.SSLContext, answer: Answering, *, host: str = "127.0.0.1") -> AsyncIterator[TlsPeer]:
    """A server that answers every request on a connection with `answer`."""
    names: dict[ssl.SSLObject, str | None] = {}

    def remember_sni(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        names[connection] = name

    context.sni_callback = remember_sni
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.connections += 1
        number = peer.connections
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while True:
                method, target, headers = await read_head(reader)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                sni = names.get(writer.get_extra_info("ssl_object"))
                asked = Asked(method, target, headers, body, sni, number)
                peer.requests.append(asked)
                await answer(asked, writer)
                if headers.get("connection") == "close":
                    break
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=context)
    peer = TlsPeer(port=server.sockets[0].getsockname()[1])
    try:
        yield peer
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    """Method, target and headers (names are lower-case) of a request."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return method, target, {name.lower(): value.strip() for name, _, value in pairs}
