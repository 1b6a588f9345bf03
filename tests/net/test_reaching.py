"""Requests over real TLS sockets: who is connected to, what is sent, whose certificate counts.

Spec: server-server API, "Resolving server names" and "TLS".
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence

import pytest

from ranvier.net.resolver import Service
from ranvier.ports import FederationUnreachable
from tests.net.authority import Authority
from tests.net.names import FakeResolver
from tests.net.network import ask, network
from tests.net.peers import says, tls_peer

_LOOPBACK = {"there.example": ["127.0.0.1"], "other.example": ["127.0.0.1"], "srv.example": ["127.0.0.1"]}


async def test_a_request_goes_out_as_it_was_given(authority: Authority) -> None:
    answer = says(b'{"a": 1}', headers="Content-Type: application/json\r\nX-Y: z\r\n")
    async with (
        tls_peer(authority.server_context("there.example"), answer) as peer,
        network(
            FakeResolver(hosts=_LOOPBACK), trusting=authority, options={"user_agent_suffix": "(test)"}
        ) as transport,
    ):
        got = await ask(
            transport,
            f"there.example:{peer.port}",
            method="PUT",
            target="/_matrix/a%2Fb/%21c%3Ad?x=%20&y=z+%26",
            headers={"Authorization": 'X-Matrix origin="here.example"', "Content-Type": "application/json"},
            body=b'{"b": 2}',
        )
    assert (got.status, got.body) == (200, b'{"a": 1}')
    assert (got.headers["content-type"], got.headers["x-y"]) == ("application/json", "z")
    asked = peer.last
    assert (asked.method, asked.target, asked.body) == ("PUT", "/_matrix/a%2Fb/%21c%3Ad?x=%20&y=z+%26", b'{"b": 2}')
    assert asked.headers["authorization"] == 'X-Matrix origin="here.example"'
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["user-agent"].startswith("Ranvier/")
    assert asked.headers["user-agent"].endswith(" (test)")


async def test_a_request_without_a_body_claims_no_type(authority: Authority) -> None:
    async with (
        tls_peer(authority.server_context("there.example"), says(b"{}")) as peer,
        network(FakeResolver(hosts=_LOOPBACK), trusting=authority) as transport,
    ):
        await ask(transport, f"there.example:{peer.port}")
    assert "content-type" not in peer.last.headers


async def test_a_large_body_arrives(authority: Authority) -> None:
    body = b"x" * 3_000_001
    async with (
        tls_peer(authority.server_context("there.example"), says(b"{}")) as peer,
        network(FakeResolver(hosts=_LOOPBACK), trusting=authority) as transport,
    ):
        await ask(transport, f"there.example:{peer.port}", method="PUT", body=body)
    assert peer.last.body == body
    assert peer.last.headers["content-length"] == "3000001"


@pytest.mark.parametrize("status", [204, 301, 302, 401, 404, 429, 500, 502])
async def test_any_status_is_an_answer(authority: Authority, status: int) -> None:
    answer = says(b"", status=f"{status} Whatever", headers="Location: https://never.example/\r\n")
    resolver = FakeResolver(hosts=_LOOPBACK)
    async with (
        tls_peer(authority.server_context("there.example"), answer) as peer,
        network(resolver, trusting=authority) as transport,
    ):
        assert (await ask(transport, f"there.example:{peer.port}")).status == status
    assert resolver.asked == ["there.example"]


async def test_an_explicit_port(authority: Authority) -> None:
    async with (
        tls_peer(authority.server_context("there.example"), says(b"{}")) as peer,
        network(FakeResolver(hosts=_LOOPBACK), trusting=authority) as transport,
    ):
        await ask(transport, f"there.example:{peer.port}")
    assert peer.last.headers["host"] == f"there.example:{peer.port}"
    assert peer.last.sni == "there.example"


async def test_an_address_needs_a_certificate_for_it_and_sends_no_name(authority: Authority) -> None:
    async with (
        tls_peer(authority.server_context("127.0.0.1"), says(b"{}")) as peer,
        network(FakeResolver(), trusting=authority) as transport,
    ):
        await ask(transport, f"127.0.0.1:{peer.port}")
    assert peer.last.headers["host"] == f"127.0.0.1:{peer.port}"
    assert peer.last.sni is None


async def test_an_ipv6_address(authority: Authority) -> None:
    async with (
        tls_peer(authority.server_context("::1"), says(b"{}"), host="::1") as peer,
        network(FakeResolver(), trusting=authority) as transport,
    ):
        await ask(transport, f"[::1]:{peer.port}")
    assert peer.last.headers["host"] == f"[::1]:{peer.port}"
    assert peer.last.sni is None


@pytest.mark.parametrize("service", ["_matrix-fed._tcp.there.example", "_matrix._tcp.there.example"])
async def test_a_service_must_prove_the_name_it_serves(authority: Authority, service: str) -> None:
    async with tls_peer(authority.server_context("there.example"), says(b"{}")) as peer:
        records = {service: [Service(0, 0, "srv.example.", peer.port)]}
        async with network(FakeResolver(hosts=_LOOPBACK, records=records), trusting=authority) as transport:
            await ask(transport, "there.example")
    assert peer.last.headers["host"] == "there.example"
    assert peer.last.sni == "there.example"


async def test_a_certificate_for_the_services_machine_is_not_enough(authority: Authority) -> None:
    async with tls_peer(authority.server_context("srv.example"), says(b"{}")) as peer:
        records = {"_matrix-fed._tcp.there.example": [Service(0, 0, "srv.example.", peer.port)]}
        async with network(FakeResolver(hosts=_LOOPBACK, records=records), trusting=authority) as transport:
            with pytest.raises(FederationUnreachable, match="certificate"):
                await ask(transport, "there.example")
    assert peer.requests == []


@pytest.mark.parametrize(
    ("delegated", "host", "sni"),
    [
        ("other.example:{port}", "other.example:{port}", "other.example"),
        ("127.0.0.1:{port}", "127.0.0.1:{port}", None),
        ("other.example", "other.example", "other.example"),
    ],
)
async def test_a_delegated_name_counts(authority: Authority, delegated: str, host: str, sni: str | None) -> None:
    async with tls_peer(authority.server_context("other.example", "127.0.0.1"), says(b"{}")) as peer:
        name = delegated.format(port=peer.port)
        records = {"_matrix-fed._tcp.other.example": [Service(0, 0, "srv.example.", peer.port)]}
        resolver = FakeResolver(hosts=_LOOPBACK, records=records)
        async with (
            tls_peer(authority.server_context("there.example"), says(f'{{"m.server": "{name}"}}'.encode())) as web,
            network(resolver, trusting=authority, ports={443: web.port}) as transport,
        ):
            await ask(transport, "there.example", target="/x")
            await ask(transport, "there.example", target="/y")
    assert [(asked.target, asked.headers["host"], asked.sni) for asked in web.requests] == [
        ("/.well-known/matrix/server", "there.example", "there.example")
    ]
    assert [(asked.target, asked.headers["host"], asked.sni) for asked in peer.requests] == [
        ("/x", host.format(port=peer.port), sni),
        ("/y", host.format(port=peer.port), sni),
    ]


async def test_a_delegation_must_be_proven(authority: Authority) -> None:
    """Whoever is in the way may not send us elsewhere."""
    web_answer = says(b'{"m.server": "evil.example:1"}')
    async with tls_peer(authority.server_context("there.example"), says(b"{}")) as peer:
        records = {"_matrix-fed._tcp.there.example": [Service(0, 0, "srv.example.", peer.port)]}
        resolver = FakeResolver(hosts=_LOOPBACK, records=records)
        async with (
            tls_peer(Authority().server_context("there.example"), web_answer) as web,
            network(resolver, trusting=authority, ports={443: web.port}) as transport,
        ):
            await ask(transport, "there.example")
    assert web.requests == []
    assert len(peer.requests) == 1


@pytest.mark.parametrize("names", [["elsewhere.example"], ["*.there.example"], ["127.0.0.1"]])
async def test_a_certificate_for_somebody_else(authority: Authority, names: Sequence[str]) -> None:
    async with (
        tls_peer(authority.server_context(*names), says(b"{}")) as peer,
        network(FakeResolver(hosts=_LOOPBACK), trusting=authority) as transport,
    ):
        with pytest.raises(FederationUnreachable, match="certificate"):
            await ask(transport, f"there.example:{peer.port}")
    assert peer.requests == []


async def test_a_certificate_of_somebody_else(authority: Authority) -> None:
    async with tls_peer(Authority().server_context("there.example"), says(b"{}")) as peer:
        resolver = FakeResolver(hosts=_LOOPBACK)
        async with network(resolver, trusting=authority) as custom, network(resolver) as usual:
            for transport in (custom, usual):
                with pytest.raises(FederationUnreachable, match="certificate"):
                    await ask(transport, f"there.example:{peer.port}")
    assert peer.requests == []


@pytest.mark.parametrize(
    "options",
    [
        {"federation_verify_certificates": False},
        {"federation_certificate_verification_whitelist": ["else.example", "*.EXAMPLE"]},
    ],
)
async def test_certificates_that_the_operator_does_not_care_about(options: dict[str, object]) -> None:
    async with (
        tls_peer(Authority().server_context("whatever.example"), says(b"{}")) as peer,
        network(FakeResolver(hosts=_LOOPBACK), options=options) as transport,
    ):
        await ask(transport, f"there.example:{peer.port}")
    assert peer.last.sni == "there.example"


async def test_names_beside_those_in_the_whitelist_are_verified() -> None:
    async with (
        tls_peer(Authority().server_context("there.example"), says(b"{}")) as peer,
        network(
            FakeResolver(hosts=_LOOPBACK), options={"federation_certificate_verification_whitelist": ["other.example"]}
        ) as transport,
    ):
        with pytest.raises(FederationUnreachable, match="certificate"):
            await ask(transport, f"there.example:{peer.port}")


async def test_the_oldest_tls_to_speak(authority: Authority) -> None:
    context = authority.server_context("there.example")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with tls_peer(context, says(b"{}")) as peer:
        resolver = FakeResolver(hosts=_LOOPBACK)
        async with network(resolver, trusting=authority) as transport:
            await ask(transport, f"there.example:{peer.port}")
        newer = {"federation_client_minimum_tls_version": "1.3"}
        async with network(resolver, trusting=authority, options=newer) as transport:
            with pytest.raises(FederationUnreachable):
                await ask(transport, f"there.example:{peer.port}")


async def test_the_next_address_is_tried(authority: Authority) -> None:
    async with tls_peer(authority.server_context("there.example"), says(b"{}")) as peer:
        # Nobody listens on the others of the loopback network.
        hosts = {"there.example": ["127.0.0.2", "::1", "127.0.0.1"]}
        async with network(FakeResolver(hosts=hosts), trusting=authority) as transport:
            assert (await ask(transport, f"there.example:{peer.port}")).status == 200


async def test_the_next_target_of_a_service_is_tried(authority: Authority) -> None:
    async with tls_peer(authority.server_context("there.example"), says(b"{}")) as peer:
        records = {
            "_matrix-fed._tcp.there.example": [
                Service(0, 0, "nowhere.example.", peer.port),
                Service(1, 0, "srv.example.", _unused_port()),
                Service(2, 0, "srv.example.", peer.port),
            ]
        }
        async with network(FakeResolver(hosts=_LOOPBACK, records=records), trusting=authority) as transport:
            assert (await ask(transport, "there.example")).status == 200


async def test_nobody_there(authority: Authority) -> None:
    async with network(FakeResolver(hosts=_LOOPBACK), trusting=authority) as transport:
        with pytest.raises(FederationUnreachable, match=r"there\.example port"):
            await ask(transport, f"there.example:{_unused_port()}")
        with pytest.raises(FederationUnreachable, match=r"no address of unknown\.example"):
            await ask(transport, "unknown.example:1")
        with pytest.raises(FederationUnreachable, match="no server name"):
            await ask(transport, "a b")


@pytest.mark.parametrize("destination", ["127.0.0.1", "there.example", "[::ffff:127.0.0.1]", "[::1]"])
async def test_blocked_addresses_are_never_connected_to(authority: Authority, destination: str) -> None:
    connected = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        writer.close()

    hosts = {"there.example": ["127.0.0.1", "::ffff:127.0.0.1", "::1"]}
    server = await asyncio.start_server(accept, ["127.0.0.1", "::1"], 0)
    port = server.sockets[0].getsockname()[1]
    async with network(
        FakeResolver(hosts=hosts), trusting=authority, options={"ip_range_blacklist": ["127.0.0.0/8", "::1"]}
    ) as transport:
        with pytest.raises(FederationUnreachable, match="blocked"):
            await ask(transport, f"{destination}:{port}")
    server.close()
    assert not connected.is_set()


async def test_blocked_addresses_with_an_exception(authority: Authority) -> None:
    options = {"ip_range_blacklist": ["127.0.0.0/8"], "ip_range_whitelist": ["127.0.0.1"]}
    async with (
        tls_peer(authority.server_context("there.example"), says(b"{}")) as peer,
        network(
            FakeResolver(hosts={"there.example": ["127.0.0.2", "127.0.0.1"]}), trusting=authority, options=options
        ) as transport,
    ):
        assert (await ask(transport, f"there.example:{peer.port}")).status == 200


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
