"""Requests through the operator's forward proxy."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from ranvier.net.resolver import Service
from ranvier.ports import FederationUnreachable
from tests.net.authority import Authority
from tests.net.names import FakeResolver
from tests.net.network import ask, network
from tests.net.peers import read_head, says, tls_peer


@dataclass(slots=True)
class _Proxy:
    """A forward proxy that takes every name for loopback."""

    port: int
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    refuses: bool = False


@asynccontextmanager
async def _proxy() -> AsyncIterator[_Proxy]:
    tasks: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, headers = await read_head(reader)
        proxy.asked.append((method, target))
        proxy.headers = headers
        if proxy.refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        there = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        tasks.update({asyncio.ensure_future(copy(reader, there[1])), asyncio.ensure_future(copy(there[0], writer))})

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = _Proxy(server.sockets[0].getsockname()[1])
    try:
        yield proxy
    finally:
        server.close()
        await asyncio.gather(*tasks)


async def test_a_name_is_left_to_the_proxy(authority: Authority) -> None:
    """The proxy looks it up; the blocked addresses are its operator's affair."""
    resolver = FakeResolver()
    async with (
        _proxy() as proxy,
        tls_peer(authority.server_context("there.example"), says(b"{}")) as peer,
    ):
        options = {"https_proxy": f"http://me:secret@127.0.0.1:{proxy.port}", "ip_range_blacklist": ["127.0.0.0/8"]}
        async with network(resolver, trusting=authority, options=options) as transport:
            answer = await ask(transport, f"there.example:{peer.port}", headers={"Authorization": "X-Matrix a"})
    assert answer.status == 200
    assert proxy.asked == [("CONNECT", f"there.example:{peer.port}")]
    assert proxy.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert "authorization" not in proxy.headers
    assert (peer.last.sni, peer.last.headers["host"]) == ("there.example", f"there.example:{peer.port}")
    assert peer.last.headers["authorization"] == "X-Matrix a"
    assert "proxy-authorization" not in peer.last.headers
    assert resolver.asked == []


async def test_a_service_through_the_proxy(authority: Authority) -> None:
    async with (
        _proxy() as proxy,
        tls_peer(authority.server_context("there.example"), says(b"{}")) as peer,
    ):
        records = {"_matrix-fed._tcp.there.example": [Service(0, 0, "srv.example.", peer.port)]}
        options = {"https_proxy": f"127.0.0.1:{proxy.port}"}
        proxy.asked.clear()
        async with network(
            FakeResolver(records=records), trusting=authority, options=options, ports={443: peer.port}
        ) as transport:
            await ask(transport, "there.example", target="/x")
    # The delegation is asked for through the proxy, too.
    assert [target for _, target in proxy.asked] == [f"there.example:{peer.port}", f"srv.example:{peer.port}"]
    assert (peer.last.target, peer.last.sni, peer.last.headers["host"]) == ("/x", "there.example", "there.example")


async def test_hosts_without_the_proxy(authority: Authority) -> None:
    async with (
        _proxy() as proxy,
        tls_peer(authority.server_context("there.example"), says(b"{}")) as peer,
    ):
        options = {
            "https_proxy": f"127.0.0.1:{proxy.port}",
            "no_proxy_hosts": ["there.example"],
            "ip_range_blacklist": ["127.0.0.2"],
        }
        resolver = FakeResolver(hosts={"there.example": ["127.0.0.2", "127.0.0.1"]})
        async with network(resolver, trusting=authority, options=options) as transport:
            await ask(transport, f"there.example:{peer.port}")
    assert proxy.asked == []


async def test_a_certificate_is_checked_through_the_proxy(authority: Authority) -> None:
    async with (
        _proxy() as proxy,
        tls_peer(authority.server_context("else.example"), says(b"{}")) as peer,
        network(FakeResolver(), trusting=authority, options={"https_proxy": f"127.0.0.1:{proxy.port}"}) as transport,
    ):
        with pytest.raises(FederationUnreachable, match="certificate"):
            await ask(transport, f"there.example:{peer.port}")
    assert peer.requests == []


async def test_a_proxy_that_refuses(authority: Authority) -> None:
    async with (
        _proxy() as proxy,
        network(FakeResolver(), trusting=authority, options={"https_proxy": f"127.0.0.1:{proxy.port}"}) as transport,
    ):
        proxy.refuses = True
        with pytest.raises(FederationUnreachable, match="403"):
            await ask(transport, "there.example:1")
