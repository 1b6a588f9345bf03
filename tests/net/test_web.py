"""The web is visited through the gate: by address, by name, and after a redirect."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from ranvier.config.load import parse
from ranvier.net.address_rules import AddressRules
from ranvier.net.resolver import LookupFailed, Services
from ranvier.net.web import Web
from ranvier.ports import FederationUnreachable


class Names:
    """A resolver that knows `here.test`."""

    async def addresses(self, host: str) -> Sequence[str]:
        if host != "here.test":
            raise LookupFailed(f"no {host}")
        return ["127.0.0.1"]

    async def services(self, name: str) -> Services:
        return Services((), 60.0)

    async def close(self) -> None:
        return


class Pages:
    """A web server on this machine."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []
        self.answers: dict[str, bytes] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.split(b" ")[1].decode()
        self.asked.append(target)
        writer.write(self.answers.get(target, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"))
        await writer.drain()
        writer.close()


@asynccontextmanager
async def pages() -> AsyncIterator[Pages]:
    found = Pages()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def web(*blocked: str, allows: str = "", **options: object) -> AsyncIterator[Web]:
    found = Web(
        outbound=parse({"server_name": "test", **options}).outbound,
        rules=AddressRules(blocked=blocked),
        open_resolver=Names,
        allows=lambda url: allows in url,
    )
    yield found
    await found.close()


async def fetch(found: Web, url: str, limit_bytes: int = 1000) -> bytes:
    async with found.get(url, headers={}, timeout_s=5, limit_bytes=limit_bytes) as answer:
        assert answer.status == 200
        return b"".join([chunk async for chunk in answer.chunks])


def page(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)


def leading(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_a_page_and_where_it_leads() -> None:
    async with pages() as there, web() as found:
        there.answers["/a"] = page(b"hello")
        there.answers["/b"] = leading(f"http://127.0.0.1:{there.port}/a")
        there.answers["/c"] = leading("a")
        for path in ("a", "b", "c"):
            assert await fetch(found, f"http://here.test:{there.port}/{path}") == b"hello"


async def test_blocked_addresses_are_not_visited() -> None:
    async with pages() as there, web("127.0.0.0/8", "::1/128") as found:
        for host in ("here.test", "127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"):
            with pytest.raises(FederationUnreachable):
                await fetch(found, f"http://{host}:{there.port}/a")
        assert there.asked == []


async def test_redirects_lead_nowhere_else() -> None:
    async with pages() as there, web("10.0.0.0/8", allows="here.test") as found:
        there.answers["/blocked"] = leading("http://10.1.2.3/")
        there.answers["/refused"] = leading(f"http://127.0.0.1:{there.port}/a")
        there.answers["/file"] = leading("file:///etc/passwd")
        there.answers["/name"] = leading(f"http://me:word@here.test:{there.port}/a")
        there.answers["/round"] = leading("/round")
        for path in ("blocked", "refused", "file", "name", "round"):
            with pytest.raises(FederationUnreachable):
                await fetch(found, f"http://here.test:{there.port}/{path}")
        assert "/a" not in there.asked
        assert there.asked.count("/round") == 6


async def test_no_more_than_was_asked_for() -> None:
    async with pages() as there, web() as found:
        there.answers["/long"] = page(b"x" * 1001)
        there.answers["/unsaid"] = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001
        for path in ("long", "unsaid"):
            with pytest.raises(FederationUnreachable, match="more than 1000 bytes"):
                await fetch(found, f"http://here.test:{there.port}/{path}")


async def test_through_a_proxy() -> None:
    async with pages() as there, web("127.0.0.0/8", http_proxy=f"127.0.0.1:{there.port}") as found:
        there.answers["http://elsewhere.test/a"] = page(b"by proxy")
        assert await fetch(found, "http://elsewhere.test/a") == b"by proxy"
