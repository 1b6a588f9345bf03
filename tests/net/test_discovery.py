"""Every row of "Resolving server names": where to connect, what to send as Host, whose certificate to ask for.

Spec: server-server API, "Resolving server names".
"""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from ranvier.net.discovery import Discovery
from ranvier.net.peer import Endpoint, Peer
from ranvier.net.resolver import Service
from ranvier.net.well_known import WellKnown
from ranvier.ports import FederationUnreachable
from tests.net.clock import ManualClock
from tests.net.exchange import FakeExchange, Page
from tests.net.names import FakeResolver

_FED, _OLD = "_matrix-fed._tcp.", "_matrix._tcp."


def _service(host: str, port: int, *, priority: int = 0) -> Service:
    return Service(priority, 0, host, port)


class _World:
    """Discovery, and everything around it."""

    def __init__(
        self,
        *,
        records: Mapping[str, Sequence[Service]] | None = None,
        broken: Sequence[str] = (),
        delegated: str | None = None,
        page: Page | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.resolver = FakeResolver(records=records or {}, broken=frozenset(broken))
        self.https = FakeExchange()
        if delegated is not None:
            page = Page(200, f'{{"m.server": "{delegated}"}}'.encode())
        if page is not None:
            self.https.pages["https://there.example/.well-known/matrix/server"] = page
        self.discovery = Discovery(
            resolver=self.resolver,
            well_known=WellKnown(https=self.https, clock=self.clock),
            clock=self.clock,
            draw=lambda: 0.0,
        )

    async def find(self, server_name: str = "there.example") -> Peer:
        return await self.discovery.find(server_name)


def _peer(host: str, port: int, host_header: str, tls_name: str) -> Peer:
    return Peer(endpoints=(Endpoint(host, port),), host_header=host_header, tls_name=tls_name)


@pytest.mark.parametrize(
    ("server_name", "peer"),
    [
        # Step 1: IP literals.
        ("1.2.3.4", _peer("1.2.3.4", 8448, "1.2.3.4", "1.2.3.4")),
        ("1.2.3.4:5678", _peer("1.2.3.4", 5678, "1.2.3.4:5678", "1.2.3.4")),
        ("[1234:5678::abcd]", _peer("1234:5678::abcd", 8448, "[1234:5678::abcd]", "1234:5678::abcd")),
        ("[1234:5678::abcd]:5678", _peer("1234:5678::abcd", 5678, "[1234:5678::abcd]:5678", "1234:5678::abcd")),
        # Step 2: an explicit port.
        ("there.example:1234", _peer("there.example", 1234, "there.example:1234", "there.example")),
    ],
)
async def test_names_that_say_it_themselves(server_name: str, peer: Peer) -> None:
    world = _World(delegated="never.example:1", records={_FED + "there.example": [_service("never.example.", 1)]})
    assert await world.find(server_name) == peer
    assert world.https.asked == []
    assert world.resolver.asked == []


@pytest.mark.parametrize(
    ("delegated", "records", "peer"),
    [
        # Step 3.1: delegated to an IP literal.
        ("5.6.7.8", {}, _peer("5.6.7.8", 8448, "5.6.7.8", "5.6.7.8")),
        ("5.6.7.8:99", {}, _peer("5.6.7.8", 99, "5.6.7.8:99", "5.6.7.8")),
        ("[::5]", {}, _peer("::5", 8448, "[::5]", "::5")),
        ("[::5]:99", {}, _peer("::5", 99, "[::5]:99", "::5")),
        # Step 3.2: delegated to a name with a port.
        ("other.example:99", {}, _peer("other.example", 99, "other.example:99", "other.example")),
        # Step 3.3: delegated to a name with an SRV record.
        (
            "other.example",
            {_FED + "other.example": [_service("srv.example.", 77)], _OLD + "other.example": [_service("no.", 1)]},
            _peer("srv.example", 77, "other.example", "other.example"),
        ),
        # Step 3.4: delegated to a name with a deprecated SRV record.
        (
            "other.example",
            {_OLD + "other.example": [_service("old.example.", 66)]},
            _peer("old.example", 66, "other.example", "other.example"),
        ),
        # Step 3.5: delegated to a name without.
        ("other.example", {}, _peer("other.example", 8448, "other.example", "other.example")),
        # The records of the delegating name no longer count.
        (
            "other.example",
            {_FED + "there.example": [_service("never.example.", 1)]},
            _peer("other.example", 8448, "other.example", "other.example"),
        ),
        # Delegation is not followed twice.
        ("there.example", {}, _peer("there.example", 8448, "there.example", "there.example")),
    ],
)
async def test_delegated_names(delegated: str, records: Mapping[str, Sequence[Service]], peer: Peer) -> None:
    world = _World(delegated=delegated, records=records)
    assert await world.find() == peer
    assert world.https.asked == ["https://there.example/.well-known/matrix/server"]


@pytest.mark.parametrize(
    "page",
    [
        None,
        Page(404, b'{"m.server": "never.example:1"}'),
        Page(500, b""),
        Page(200, b"not JSON"),
        Page(200, b"[]"),
        Page(200, b"{}"),
        Page(200, b'{"m.server": 5}'),
        Page(200, b'{"m.server": ""}'),
        Page(200, b'{"m.server": "https://never.example"}'),
        Page(200, b'{"m.server": "never.example:99999"}'),
        Page(200, b'{"m.server": "never.example:0"}'),
        Page(200, b'{"m.server": "1.2.3.999"}'),
    ],
)
@pytest.mark.parametrize(
    ("records", "peer"),
    [
        # Step 4.
        (
            {_FED + "there.example": [_service("srv.example.", 77)], _OLD + "there.example": [_service("no.", 1)]},
            _peer("srv.example", 77, "there.example", "there.example"),
        ),
        # Step 5.
        (
            {_OLD + "there.example": [_service("old.example.", 66)]},
            _peer("old.example", 66, "there.example", "there.example"),
        ),
        # Step 6.
        ({}, _peer("there.example", 8448, "there.example", "there.example")),
    ],
)
async def test_names_that_do_not_delegate(
    page: Page | None, records: Mapping[str, Sequence[Service]], peer: Peer
) -> None:
    assert await _World(page=page, records=records).find() == peer


async def test_every_target_of_a_service_in_order() -> None:
    records = {
        _FED + "there.example": [
            _service("second.example.", 2, priority=20),
            _service("first.example.", 1, priority=10),
            _service("gone.example.", 0, priority=5),
        ]
    }
    assert (await _World(records=records).find()).endpoints == (
        Endpoint("first.example", 1),
        Endpoint("second.example", 2),
    )


async def test_a_service_that_is_decidedly_not_there() -> None:
    with pytest.raises(FederationUnreachable, match="SRV"):
        await _World(records={_FED + "there.example": [_service(".", 0)]}).find()


async def test_a_name_server_that_fails_for_services() -> None:
    world = _World(broken=[_FED + "there.example", _OLD + "there.example"])
    assert await world.find() == _peer("there.example", 8448, "there.example", "there.example")
    # That is not believed for long.
    world.clock.pass_s(61)
    world.resolver.broken = frozenset()
    world.resolver.records = {_FED + "there.example": [_service("srv.example.", 77)]}
    assert (await world.find()).endpoints == (Endpoint("srv.example", 77),)


async def test_what_was_found_is_remembered_as_long_as_dns_says() -> None:
    world = _World(page=Page(404, b""), records={_FED + "there.example": [_service("srv.example.", 77)]})
    for _ in range(3):
        await world.find()
        world.clock.pass_s(100)
    assert world.resolver.asked == [_FED + "there.example"]
    await world.find()
    assert world.resolver.asked == [_FED + "there.example"] * 2


async def test_a_server_that_was_not_there_is_looked_for_again() -> None:
    world = _World(delegated="other.example")
    await world.find()
    asked = len(world.resolver.asked)
    world.discovery.forget("there.example")
    await world.find()
    assert len(world.resolver.asked) == 2 * asked
    # The delegation is still believed.
    assert len(world.https.asked) == 1


async def test_many_who_look_at_once_look_once() -> None:
    world = _World(delegated="other.example")
    world.https.delay_s = 0.01
    peers = await asyncio.gather(*(world.find() for _ in range(20)))
    assert len(set(peers)) == 1
    assert len(world.https.asked) == 1


async def test_one_who_gives_up_does_not_stop_the_others() -> None:
    world = _World(delegated="other.example:1")
    world.https.delay_s = 0.05
    first = asyncio.ensure_future(world.find())
    second = asyncio.ensure_future(world.find())
    await asyncio.sleep(0.01)
    first.cancel()
    assert (await second).host_header == "other.example:1"
    assert len(world.https.asked) == 1


@pytest.mark.parametrize(
    "server_name",
    ["", "there.example:0", "there.example:65536", "there.example:123456", "a b", "there.example/path", "[::1", "ä.de"],
)
async def test_what_is_no_server_name(server_name: str) -> None:
    with pytest.raises(FederationUnreachable):
        await _World().find(server_name)


async def test_closing_ends_what_is_being_looked_for() -> None:
    world = _World(delegated="other.example")
    world.https.delay_s = 30
    search = asyncio.ensure_future(world.find())
    await asyncio.sleep(0.01)
    await world.discovery.close()
    with pytest.raises(asyncio.CancelledError):
        await search
