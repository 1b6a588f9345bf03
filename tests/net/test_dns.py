"""The resolver against a name server on loopback."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import cast

import pytest

from ranvier.net.dns import DnsResolver
from ranvier.net.resolver import LookupFailed, Service

_A, _CNAME, _AAAA, _SRV = 1, 5, 28, 33
_NO_SUCH_NAME, _FAILURE = 3, 2


@dataclass(frozen=True, slots=True)
class _Record:
    type: int
    data: bytes
    ttl_s: int = 300


def _name(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _address(text: str, ttl_s: int = 300) -> _Record:
    address = ip_address(text)
    return _Record(_A if address.version == 4 else _AAAA, address.packed, ttl_s)


def _srv(priority: int, weight: int, port: int, host: str, ttl_s: int = 300) -> _Record:
    return _Record(_SRV, struct.pack("!HHH", priority, weight, port) + _name(host), ttl_s)


@dataclass(slots=True)
class _NameServer(asyncio.DatagramProtocol):
    zone: Mapping[str, Sequence[_Record]]
    failing: frozenset[str] = frozenset()
    asked: list[tuple[str, int]] = field(default_factory=list)
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode().lower())
            at += 1 + data[at]
        name, (kind, _) = ".".join(labels), struct.unpack_from("!HH", data, at + 1)
        self.asked.append((name, kind))
        records = [record for record in self.zone.get(name, ()) if record.type in (kind, _CNAME)]
        code = _FAILURE if name in self.failing else 0 if name in self.zone else _NO_SUCH_NAME
        head = data[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(records), 0, 0)
        answers = b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", record.type, 1, record.ttl_s, len(record.data)) + record.data
            for record in records
        )
        assert self.transport is not None
        self.transport.sendto(head + data[12 : at + 5] + answers, addr)


@asynccontextmanager
async def _resolving(
    zone: Mapping[str, Sequence[_Record]], *, failing: Sequence[str] = ()
) -> AsyncIterator[tuple[DnsResolver, _NameServer]]:
    server = _NameServer(zone, frozenset(failing))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0), family=socket.AF_INET
    )
    port = transport.get_extra_info("sockname")[1]
    resolver = DnsResolver(servers=[f"127.0.0.1:{port}"])
    try:
        yield resolver, server
    finally:
        await resolver.close()
        transport.close()


async def test_addresses_of_both_kinds() -> None:
    zone = {"there.example": [_address("192.0.2.1"), _address("2001:db8::1")]}
    async with _resolving(zone) as (resolver, _):
        assert set(await resolver.addresses("there.example")) == {"192.0.2.1", "2001:db8::1"}
        assert set(await resolver.addresses("THERE.example")) == {"192.0.2.1", "2001:db8::1"}


async def test_addresses_are_remembered_as_long_as_they_hold() -> None:
    zone = {"long.example": [_address("192.0.2.1", 100)], "short.example": [_address("192.0.2.1", 0)]}
    async with _resolving(zone) as (resolver, server):
        for host in zone:
            await resolver.addresses(host)
            await resolver.addresses(host)
    assert server.asked.count(("long.example", _A)) == 1
    assert server.asked.count(("short.example", _A)) == 2


async def test_a_name_of_nobody() -> None:
    async with _resolving({"there.example": []}) as (resolver, _):
        for host in ("nobody.example", "there.example", "a..b", "x" * 64 + ".example", "x." * 140):
            with pytest.raises(LookupFailed):
                await resolver.addresses(host)


async def test_localhost_needs_no_name_server() -> None:
    async with _resolving({}) as (resolver, server):
        assert "127.0.0.1" in await resolver.addresses("localhost")
        assert server.asked == []


async def test_services() -> None:
    name = "_matrix-fed._tcp.there.example"
    zone = {name: [_srv(10, 5, 8448, "a.example.", 60), _srv(20, 0, 443, "b.example.", 120)]}
    async with _resolving(zone) as (resolver, _):
        services = await resolver.services(name)
        assert {(found.priority, found.weight, found.host.rstrip("."), found.port) for found in services.records} == {
            (10, 5, "a.example", 8448),
            (20, 0, "b.example", 443),
        }
        assert services.ttl_s == 60


async def test_a_service_that_is_decidedly_not_there() -> None:
    async with _resolving({"_matrix._tcp.there.example": [_srv(0, 0, 0, ".")]}) as (resolver, _):
        (record,) = (await resolver.services("_matrix._tcp.there.example")).records
        assert isinstance(record, Service)
        assert record.host.rstrip(".") == ""


@pytest.mark.parametrize("zone", [{}, {"_matrix._tcp.there.example": []}])
async def test_no_services(zone: Mapping[str, Sequence[_Record]]) -> None:
    async with _resolving(zone) as (resolver, _):
        assert (await resolver.services("_matrix._tcp.there.example")).records == ()


async def test_a_name_server_that_fails() -> None:
    async with _resolving({}, failing=["_matrix._tcp.there.example"]) as (resolver, _):
        with pytest.raises(LookupFailed):
            await resolver.services("_matrix._tcp.there.example")


async def test_many_at_once() -> None:
    zone = {f"{number}.example": [_address(f"192.0.2.{number}")] for number in range(100)}
    async with _resolving(zone) as (resolver, _):
        found = await asyncio.gather(*(resolver.addresses(host) for host in zone))
        assert [addresses[0] for addresses in found] == [f"192.0.2.{number}" for number in range(100)]
