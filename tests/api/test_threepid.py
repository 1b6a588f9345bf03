"""What a server without mail says to those who ask for e-mail addresses and telephone numbers."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Client, in_room
from tests.api.homeserver import Homeserver, running

EMAIL = {"client_secret": "secret", "email": "a@example.org", "send_attempt": 1}
PHONE = {"client_secret": "secret", "country": "GB", "phone_number": "07700900001", "send_attempt": 1}
CREDENTIALS = {"client_secret": "x", "id_server": "127.0.0.1:9", "id_access_token": "t", "sid": "1"}


async def test_there_are_none(alice: Client) -> None:
    assert (await alice.get("/account/3pid")).ok() == {"threepids": []}
    assert (await alice.get("/capabilities")).ok()["capabilities"]["m.3pid_changes"] == {"enabled": False}


async def test_none_can_be_added(alice: Client) -> None:
    body = {"three_pid_creds": CREDENTIALS}
    # The way there is closed: it is no address for the likes of us.
    (await alice.post("/account/3pid", body)).refused(504, "M_UNKNOWN")
    (await alice.post("/account/3pid/add", {"client_secret": "x", "sid": "1"})).refused(403, "M_FORBIDDEN")
    (await alice.post("/account/3pid/bind", CREDENTIALS)).refused(504, "M_UNKNOWN")


@pytest.mark.parametrize("act", ["delete", "unbind"])
async def test_nothing_is_there_to_be_removed(alice: Client, act: str) -> None:
    body = {"medium": "email", "address": "a@example.org"}
    assert (await alice.post(f"/account/3pid/{act}", body)).ok() == {"id_server_unbind_result": "no-support"}
    (await alice.post(f"/account/3pid/{act}", {})).refused(400, "M_BAD_JSON")


@pytest.mark.parametrize(
    ("prefix", "status", "errcode"),
    [
        ("/account/3pid", 400, "M_THREEPID_MEDIUM_NOT_SUPPORTED"),
        ("/register", 403, "M_THREEPID_DENIED"),
        ("/account/password", 400, "M_THREEPID_NOT_FOUND"),
    ],
)
async def test_none_can_be_validated(stranger: Client, prefix: str, status: int, errcode: str) -> None:
    (await stranger.post(f"{prefix}/email/requestToken", EMAIL)).refused(status, errcode)
    (await stranger.post(f"{prefix}/msisdn/requestToken", PHONE)).refused(status, errcode)


@pytest.mark.parametrize("body", [{}, {**EMAIL, "client_secret": ""}, {**EMAIL, "client_secret": "a b"}, PHONE])
async def test_requests_of_the_wrong_shape(stranger: Client, body: Any) -> None:
    (await stranger.post("/register/email/requestToken", body)).refused(400, "M_BAD_JSON")


async def test_validation_is_limited(stranger: Client) -> None:
    for _ in range(5):
        (await stranger.post("/register/email/requestToken", EMAIL)).refused(403, "M_THREEPID_DENIED")
    (await stranger.post("/register/email/requestToken", EMAIL)).refused(429, "M_LIMIT_EXCEEDED")


async def test_nobody_is_found_by_them(homeserver: Homeserver, alice: Client) -> None:
    body = {"type": "m.login.password", "password": "x"}
    for identifier in (
        {"type": "m.id.thirdparty", "medium": "email", "address": "a@example.org"},
        {"type": "m.id.phone", "country": "GB", "phone": "07700900001"},
        {"medium": "email", "address": "a@example.org"},
    ):
        answer = await homeserver.stranger().post("/login", {**body, "identifier": identifier})
        answer.refused(403, "M_FORBIDDEN")
    room_id = await alice.create_room()
    invite = {"id_server": "127.0.0.1:9", "id_access_token": "t", "medium": "email", "address": "a@example.org"}
    for _ in range(10):
        (await alice.post(f"{in_room(room_id)}/invite", invite)).refused(504, "M_UNKNOWN")
    (await alice.post(f"{in_room(room_id)}/invite", invite)).refused(429, "M_LIMIT_EXCEEDED")
    (await alice.post("/createRoom", {"invite_3pid": [invite]})).refused(429, "M_LIMIT_EXCEEDED")


async def test_they_may_not_be_changed_where_the_server_says_so(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, enable_3pid_changes=False) as homeserver:
        alice = await homeserver.register("alice")
        contact = {"medium": "email", "address": "a@example.org"}
        (await alice.post("/account/3pid", {"three_pid_creds": CREDENTIALS})).refused(403, "M_FORBIDDEN")
        (await alice.post("/account/3pid/add", {"client_secret": "x", "sid": "1"})).refused(403, "M_FORBIDDEN")
        (await alice.post("/account/3pid/bind", CREDENTIALS)).refused(403, "M_FORBIDDEN")
        (await alice.post("/account/3pid/delete", contact)).refused(403, "M_FORBIDDEN")
