"""Asking for a delegation: redirects, and for how long an answer is believed.

Spec: server-server API, "Resolving server names", step 3.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.net.peer import Endpoint, Peer
from ranvier.net.well_known import Delegation, WellKnown
from tests.net.clock import ManualClock
from tests.net.exchange import FakeExchange, Page

_URL = "https://there.example/.well-known/matrix/server"
_GOOD = b'{"m.server": "other.example:1"}'
_MINUTE, _HOUR = 60, 3600


class _World:
    def __init__(self, page: Page | None = None, **pages: Page) -> None:
        self.clock = ManualClock()
        self.https = FakeExchange()
        self.well_known = WellKnown(https=self.https, clock=self.clock)
        if page is not None:
            self.https.pages[_URL] = page

    async def delegate(self) -> str | None:
        return (await self.well_known.delegate("there.example")).server_name

    async def believed_s(self) -> float:
        """For how long what is found now is believed."""
        found: Delegation = await self.well_known.delegate("there.example")
        return found.until - self.clock.monotonic()


async def test_it_is_an_ordinary_https_request() -> None:
    world = _World(Page(200, _GOOD))
    assert await world.delegate() == "other.example:1"
    assert world.https.peers == [Peer((Endpoint("there.example", 443),), "there.example", "there.example")]
    assert world.https.limits == [50 * 1024]


async def test_any_content_type_will_do() -> None:
    assert await _World(Page(200, _GOOD, {"content-type": "text/plain"})).delegate() == "other.example:1"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 24 * _HOUR),
        ({"cache-control": "max-age=7200"}, 2 * _HOUR),
        ({"cache-control": "max-age=31536000"}, 48 * _HOUR),
        ({"expires": "Fri, 01 Jan 2100 00:00:00 GMT"}, 48 * _HOUR),
        ({"cache-control": "max-age=1"}, 5 * _MINUTE),
        ({"cache-control": "no-store"}, 5 * _MINUTE),
    ],
)
async def test_a_delegation_is_believed_as_long_as_it_says(headers: dict[str, str], seconds: float) -> None:
    world = _World(Page(200, _GOOD, headers))
    assert await world.believed_s() == seconds
    world.clock.pass_s(seconds - 1)
    await world.delegate()
    assert len(world.https.asked) == 1
    world.clock.pass_s(2)
    await world.delegate()
    assert len(world.https.asked) == 2


async def test_that_there_is_nothing_is_believed_for_an_hour() -> None:
    assert await _World(Page(404, b"")).believed_s() == _HOUR
    assert await _World(Page(200, b"rubbish", {"cache-control": "max-age=86400"})).believed_s() == _HOUR


@pytest.mark.parametrize("page", [None, Page(503, b"")])
async def test_failures_are_believed_for_longer_each_time(page: Page | None) -> None:
    world = _World(page)
    believed = []
    for _ in range(9):
        believed.append(await world.believed_s())
        world.clock.pass_s(believed[-1] + 1)
    assert believed == [minutes * _MINUTE for minutes in (1, 2, 4, 8, 16, 32, 60, 60, 60)]
    assert len(world.https.asked) == 9


async def test_a_delegation_outlives_a_failure_but_not_two_days() -> None:
    world = _World(Page(200, _GOOD, {"cache-control": "max-age=3600"}))
    await world.delegate()
    del world.https.pages[_URL]
    world.clock.pass_s(2 * _HOUR)
    assert await world.delegate() == "other.example:1"
    assert await world.believed_s() == _MINUTE
    world.clock.pass_s(47 * _HOUR)
    assert await world.delegate() is None


async def test_a_delegation_that_was_taken_back_is_gone() -> None:
    world = _World(Page(200, _GOOD, {"cache-control": "max-age=3600"}))
    await world.delegate()
    world.https.pages[_URL] = Page(404, b"")
    world.clock.pass_s(2 * _HOUR)
    assert await world.delegate() is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(status: int) -> None:
    world = _World(Page(status, b"", {"location": "https://www.there.example:444/a?b=c#d"}))
    world.https.pages["https://www.there.example:444/a?b=c"] = Page(302, b"", {"location": "/e"})
    world.https.pages["https://www.there.example:444/e"] = Page(200, _GOOD)
    assert await world.delegate() == "other.example:1"
    assert world.https.peers[1] == Peer(
        (Endpoint("www.there.example", 444),), "www.there.example:444", "www.there.example"
    )


async def test_a_redirect_to_an_address_must_prove_the_address() -> None:
    world = _World(Page(302, b"", {"location": "https://[::5]/a"}))
    await world.delegate()
    assert world.https.peers[1] == Peer((Endpoint("::5", 443),), "[::5]", "::5")


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://there.example/a",
        "ftp://there.example/a",
        "https://user@there.example/a",
        "https://there.example:0/a",
        "https://there.example:99999/a",
        "https://[::5/a",
        "https://there.example/a b",
        "https://there.example/\r\nX: y",
        "https://ä.example/",
    ],
)
async def test_redirects_that_lead_nowhere(location: str) -> None:
    world = _World(Page(302, b"", {"location": location}))
    assert await world.delegate() is None
    assert world.https.asked == [_URL]


async def test_a_redirect_loop_ends() -> None:
    world = _World(Page(302, b"", {"location": _URL}))
    assert await world.delegate() is None
    assert len(world.https.asked) == 6


@given(st.binary(max_size=60), st.text(max_size=60))
async def test_rubbish_is_no_delegation(body: bytes, location: str) -> None:
    assert await _World(Page(200, body)).delegate() is None
    await _World(Page(302, body, {"location": location})).delegate()


async def test_not_every_host_is_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranvier.net.well_known._REMEMBERED", 3)
    world = _World()
    for number in range(5):
        await world.well_known.delegate(f"{number}.example")
    await world.well_known.delegate("4.example")
    assert len(world.https.asked) == 5
    await world.well_known.delegate("0.example")
    assert len(world.https.asked) == 6
