"""`ranvier doctor` on the road to a server: delegation, DNS, connection and TLS are each a finding of their own."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from ranvier.cli import doctor_road
from ranvier.cli.doctor_clock import not_compared
from ranvier.cli.doctor_findings import Finding
from ranvier.cli.doctor_knock import Knock
from ranvier.cli.doctor_network import Network, examine_network, open_network
from ranvier.config.model import Config
from ranvier.net.discovery import Discovery
from ranvier.net.transport import NetTransport, Reach
from ranvier.net.well_known import WellKnown
from ranvier.ports import SystemClock
from tests.net.authority import Authority
from tests.net.names import FakeResolver
from tests.net.network import Ports, configured
from tests.net.peers import Answering, TlsPeer, says, tls_peer
from tests.services.ports import free_port

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"  # that moment
LATER = "Tue, 14 Nov 2023 22:33:20 GMT"
HOME: Mapping[str, Sequence[str]] = {"there.example": ["127.0.0.1"], "matrix.there.example": ["127.0.0.1"]}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def keys_of(server_name: str, date: str = DATE) -> Answering:
    return says(json.dumps({"server_name": server_name}).encode(), headers=f"Date: {date}\r\n")


@asynccontextmanager
async def network(config: Config, resolver: FakeResolver, ports: Mapping[int, int]) -> AsyncIterator[Network]:
    """What the doctor goes by, where ports of a test stand for those of the world."""
    found = open_network(config, clock=SystemClock(), resolver=resolver)
    https = Ports(found.road.reach.https, ports)
    well_known = WellKnown(https=https, clock=SystemClock())
    discovery = Discovery(resolver=resolver, well_known=well_known, clock=SystemClock())
    reach = Reach(resolver=resolver, https=https, discovery=discovery)
    road = replace(found.road, reach=reach, well_known=well_known)
    network = Network(road, NetTransport(lambda: reach))
    try:
        yield network
    finally:
        await network.close()


async def examine(
    server_name: str,
    authority: Authority,
    *,
    hosts: Mapping[str, Sequence[str]] = HOME,
    ports: Mapping[int, int] | None = None,
    **options: object,
) -> list[Finding]:
    given = {"server_name": server_name, "trusted_key_servers": [], **options}
    config = configured(given, trusting=authority)
    async with network(config, FakeResolver(hosts=hosts), ports or {}) as opened:
        found = await examine_network(config, opened, now=lambda: NOW)
    return [finding for finding in found if finding.subject != "clients"]  # they come another way


def of(findings: Sequence[Finding], subject: str) -> Finding:
    return next(finding for finding in findings if finding.subject == subject)


def levels(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.subject: finding.level for finding in findings}


async def test_a_name_with_a_port(authority: Authority) -> None:
    async with AsyncExitStack() as stack:
        peer = await _peer(stack, authority, keys_of("there.example"))
        name = f"there.example:{peer.port}"
        wrong = await examine(name, authority)
    assert of(wrong, "delegation").text == f"not asked for, because {name} names a port"
    assert of(wrong, "connection").text == f"127.0.0.1 port {peer.port} is open"
    assert of(wrong, "tls").level == "ok"
    assert of(wrong, "federation").text == f"at {name} answers there.example"


async def _peer(
    stack: AsyncExitStack, authority: Authority, answer: Answering, *names: str, host: str = "127.0.0.1"
) -> TlsPeer:
    context = authority.server_context(*names or ("there.example",))
    return await stack.enter_async_context(tls_peer(context, answer, host=host))


async def test_a_delegation(authority: Authority) -> None:
    async with AsyncExitStack() as stack:
        matrix = await _peer(stack, authority, keys_of("there.example"), "matrix.there.example")
        delegated = f"matrix.there.example:{matrix.port}"
        web = await _peer(stack, authority, says(json.dumps({"m.server": delegated}).encode()))
        found = await examine("there.example", authority, ports={443: web.port})
    assert of(found, "delegation") == Finding("ok", "delegation", f"there.example delegates to {delegated}")
    assert of(found, "federation").level == "ok"
    # Its clock is that of this machine.
    assert "clock" not in levels(found)


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [
        (says(b"", status="404 Not Found"), "ok", "none: https://there.example/.well-known/matrix/server is not there"),
        (says(b"<html>"), "warning", "answers with status 200 and names no server"),
        (says(b"", status="500 Oh"), "warning", "answers with status 500 and names no server"),
        (says(b'{"m.server": "https://matrix.there.example"}'), "warning", "names no server"),
        (says(b"", status="302 Found", headers="Location: http://x/\r\n"), "warning", "is redirected to nowhere"),
    ],
)
async def test_no_delegation(authority: Authority, answer: Answering, level: str, text: str) -> None:
    async with AsyncExitStack() as stack:
        web = await _peer(stack, authority, answer)
        found = of(await examine("there.example", authority, ports={443: web.port}), "delegation")
    assert found.level == level
    assert text in found.text
    assert (found.remedy is None) == (level == "ok")


async def test_a_web_server_that_nobody_can_read(authority: Authority) -> None:
    found = of(await examine("there.example", authority, ports={443: free_port()}), "delegation")
    assert found.level == "note"
    assert "cannot be read" in found.text


async def test_a_name_without_an_address(authority: Authority) -> None:
    found = await examine("nowhere.example:1", authority)
    assert of(found, "dns").level == "error"
    assert of(found, "dns").text == "no address of nowhere.example"
    assert levels(found).keys() == {"delegation", "dns"}


@pytest.mark.parametrize("address", ["192.168.1.7", "10.0.0.1", "100.64.0.1", "fd00::1", "fe80::1", "127.0.0.1"])
async def test_private_addresses(authority: Authority, address: str) -> None:
    """Nobody is asked there, as the server would not do it either."""
    found = await examine(
        "there.example:8448", authority, hosts={"there.example": [address]}, ip_range_blacklist=["0.0.0.0/0", "::/0"]
    )
    assert levels(found) == {"delegation": "ok", "dns": "warning", "connection": "note"}
    assert f"servers elsewhere cannot reach what is private of it: {address}" in of(found, "dns").text


async def test_a_public_address_is_no_private_one(authority: Authority) -> None:
    hosts = {"there.example": ["9.9.9.9", "2620:fe::fe"]}
    found = await examine("there.example:8448", authority, hosts=hosts, ip_range_blacklist=["0.0.0.0/0", "::/0"])
    assert of(found, "dns") == Finding("ok", "dns", "there.example port 8448 is 9.9.9.9, 2620:fe::fe")


async def test_a_closed_port(authority: Authority) -> None:
    port = free_port()
    found = await examine(f"there.example:{port}", authority)
    assert of(found, "connection").level == "error"
    assert of(found, "connection").text.startswith(f"127.0.0.1 port {port}: ")
    assert "tls" not in levels(found)
    assert "federation" not in levels(found)


async def test_one_of_two_addresses_is_dead(authority: Authority) -> None:
    hosts = {"there.example": ["127.0.0.2", "127.0.0.1"]}
    async with AsyncExitStack() as stack:
        peer = await _peer(stack, authority, keys_of("x"))
        found = await examine(f"there.example:{peer.port}", authority, hosts=hosts)
    first, second = (finding for finding in found if finding.subject == "connection")
    assert (first.level, second.level) == ("warning", "ok")
    assert of(found, "federation").text == f"at there.example:{peer.port} answers x"


async def test_a_certificate_for_another_name(authority: Authority) -> None:
    async with AsyncExitStack() as stack:
        peer = await _peer(stack, authority, keys_of("x"), "other.example")
        found = await examine(f"there.example:{peer.port}", authority)
    assert of(found, "connection").level == "ok"
    assert of(found, "tls").level == "error"
    assert "does not prove that it is there.example: Hostname mismatch" in of(found, "tls").text
    assert "federation" not in levels(found)


async def test_a_certificate_of_an_unknown_authority(authority: Authority) -> None:
    context = Authority().server_context("there.example")
    async with tls_peer(context, keys_of("x")) as peer:
        found = await examine(f"there.example:{peer.port}", authority)
    assert "unable to get local issuer certificate" in of(found, "tls").text


async def test_a_port_without_tls(authority: Authority, plain_port: int) -> None:
    found = await examine(f"there.example:{plain_port}", authority)
    assert of(found, "connection").level == "ok"
    assert "it speaks no TLS" in of(found, "tls").text


@pytest.fixture
async def plain_port() -> AsyncIterator[int]:
    """Somebody who answers without TLS."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_an_ipv6_server_name(authority: Authority) -> None:
    """Its certificate is for the address, without brackets and port."""
    async with AsyncExitStack() as stack:
        peer = await _peer(stack, authority, keys_of("x"), "::1", host="::1")
        found = await examine(f"[::1]:{peer.port}", authority)
    assert levels(found)["tls"] == "ok"
    assert of(found, "dns").text.startswith(f"::1 port {peer.port} is ::1; servers elsewhere cannot reach")
    assert of(found, "federation").text == f"at [::1]:{peer.port} answers x"


async def test_a_port_that_there_is_not(authority: Authority) -> None:
    found = await examine("there.example:99999", authority)
    assert [finding.level for finding in found] == ["error"]


@pytest.mark.parametrize(
    ("date", "level", "text"),
    [
        (DATE, "ok", "the same as that of {}"),
        (LATER, "warning", "1200 s behind that of {}"),
        ("nonsense", "note", "compared with nobody's"),
    ],
)
async def test_the_clock_of_a_trusted_key_server(authority: Authority, date: str, level: str, text: str) -> None:
    """Although what answers under the server's own name is this machine, and has its clock."""
    async with AsyncExitStack() as stack:
        ours = await _peer(stack, authority, says(b"{}"))
        notary = await _peer(stack, authority, keys_of("x", date), "matrix.there.example")
        name = f"matrix.there.example:{notary.port}"
        found = await examine(
            f"there.example:{ours.port}",
            authority,
            trusted_key_servers=[{"server_name": name}],
            suppress_key_server_warning=True,
        )
    found += not_compared(found)
    clocks = [finding for finding in found if finding.subject == "clock"]
    assert [clock.level for clock in clocks] == [level]
    assert text.format(name) in clocks[0].text


@pytest.mark.parametrize(
    ("address", "is_elsewhere", "texts"),
    [
        ("127.0.0.1", False, []),
        ("127.0.0.1", True, ["1200 s behind that of what answers for {}"]),
        ("127.0.0.2", False, []),  # where Debian's hosts file has the machine's own name is such an address, too
    ],
)
async def test_the_clock_of_what_answers(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, address: str, is_elsewhere: bool, texts: list[str]
) -> None:
    if is_elsewhere:

        async def knock(*_: object) -> Knock:
            return Knock(expires_s=NOW * 2)

        monkeypatch.setattr(doctor_road, "knock", knock)
    async with AsyncExitStack() as stack:
        peer = await _peer(stack, authority, keys_of("x", LATER), host=address)
        name = f"there.example:{peer.port}"
        found = await examine(name, authority, hosts={"there.example": [address]})
    clocks = [finding.text for finding in found if finding.subject == "clock"]
    assert clocks == [text.format(name) for text in texts]


async def test_a_key_server_that_is_away(authority: Authority) -> None:
    name = f"there.example:{free_port()}"
    found = await examine(name, authority, trusted_key_servers=[{"server_name": "nowhere.example:1"}])
    assert not_compared(found)[0].level == "note"


def test_contexts_are_as_configured(authority: Authority) -> None:
    """Certificates are looked at as strictly as the server itself looks at those of others."""
    config = configured({"federation_verify_certificates": False}, trusting=authority)
    network = open_network(config, clock=SystemClock(), resolver=FakeResolver())
    assert network.road.trust.context_for("x").verify_mode is ssl.CERT_NONE
