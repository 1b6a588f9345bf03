"""Nobody writes lines of their own into the log, nor what a terminal obeys."""

import logging
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest

from ranvier.http.client_address import forwarded_address
from tests.api.asgi import Client
from tests.api.homeserver import Homeserver, running

FORGED = "x\r\n2026-01-01 00:00:00,000 - root - 1 - CRITICAL -  - forged\x1b[2J\x85\u2028\x00\x7f"


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Zl", "Zp")


async def _attack(homeserver: Homeserver) -> None:
    alice = await homeserver.register("alice")
    client = Client(homeserver.unchecked, token=alice.token, user_id=alice.user_id)
    room_id = await alice.create_room(name=FORGED, topic=FORGED)
    forged = quote(FORGED, safe="")
    stranger = Client(homeserver.unchecked)
    for path in (
        f"/rooms/{forged}/messages?dir=b",
        f"/rooms/{quote(room_id)}/state/{forged}/{forged}",
        f"/directory/room/%23{forged}:ranvier.test",
        f"/profile/@{forged}:ranvier.test",
        f"/user/{forged}/filter/{forged}",
        f"/sync?filter={forged}&since={forged}",
        f"/{forged}",
        f"/publicRooms?server={forged}",
    ):
        await client.get(path)
    await client.put(f"/rooms/{quote(room_id)}/send/{forged}/{forged}", {FORGED: FORGED})
    await client.post(f"/join/{forged}", {"reason": FORGED})
    for body in (
        {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": FORGED}, "password": FORGED},
        {"type": FORGED},
    ):
        await stranger.post("/login", body)
    await stranger.post("/register", {"username": FORGED, "password": FORGED, "auth": {"type": FORGED}})
    await client.post("/logout", {})


async def test_no_line_is_forged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    with caplog.at_level(logging.INFO):
        async with running(database) as homeserver:
            await _attack(homeserver)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) > 10
    forged = [line for line in lines if any(_is_control(character) for character in line)]
    assert forged == []
    assert not [line for line in lines if "swordfish" in line]


async def test_headers_forge_nothing_either(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The parser lets no line break into a header, but the bytes above 127 are everybody's own."""
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    with caplog.at_level(logging.INFO):
        async with running(database) as homeserver:
            headers = [
                (b"host", b"localhost"),
                (b"user-agent", b"a\x85b\x1b[2J\xe2\x80\xa8"),
                (b"x-forwarded-for", b"1.2.3.4\x1b[2J"),
                (b"x-request-id", b"1\x85\x1b"),
            ]
            await homeserver.unchecked.handle("GET", "/_matrix/client/versions", headers, b"")
    lines = [record.getMessage() for record in caplog.records]
    assert any("/versions" in line for line in lines)
    assert [line for line in lines if any(_is_control(character) for character in line)] == []


@pytest.mark.parametrize("address", ["fe80::1%\x1b[2J", "fe80::1%eth0", "1.2.3.4\x9b2J", "fe80::1%\x85forged"])
def test_an_address_from_a_proxy_is_one(address: str) -> None:
    """The first address of `X-Forwarded-For` may be what the client itself has sent to the proxy."""
    assert forwarded_address([(b"x-forwarded-for", address.encode("latin-1"))]) is None
