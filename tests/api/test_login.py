"""`/login`, `/refresh`, `/logout`."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Client
from tests.api.homeserver import Homeserver, running

PASSWORD = "correct horse"


def by_password(name: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    return {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": name},
        "password": password,
        **more,
    }


async def test_flows(stranger: Client) -> None:
    assert (await stranger.get("/login")).ok() == {"flows": [{"type": "m.login.password"}]}


@pytest.mark.parametrize("name", ["alice", "@alice:ranvier.test", "ALICE"])
async def test_login(homeserver: Homeserver, alice: Client, name: str) -> None:
    answer = (await homeserver.stranger().post("/login", by_password(name, device_id="LAPTOP"))).ok()
    assert answer.keys() == {"user_id", "access_token", "device_id", "home_server"}
    assert (answer["user_id"], answer["device_id"]) == (alice.user_id, "LAPTOP")
    who = Client(homeserver.app, token=answer["access_token"])
    assert (await who.get("/account/whoami")).ok() == {
        "user_id": alice.user_id,
        "device_id": "LAPTOP",
        "is_guest": False,
    }


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        (by_password("alice", "wrong"), 403, "M_FORBIDDEN"),
        (by_password("nobody"), 403, "M_FORBIDDEN"),
        ({"type": "m.login.password", "password": "x"}, 400, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "identifier": "alice", "password": "x"}, 400, "M_BAD_JSON"),
        ({"type": "m.login.saml", "token": "x"}, 400, "M_UNKNOWN"),
        ({"password": "x"}, 400, "M_BAD_JSON"),
        ({"type": 1}, 400, "M_BAD_JSON"),
        (by_password("alice", device_id="x" * 5000), 400, "M_INVALID_PARAM"),
    ],
)
async def test_refused_logins(stranger: Client, alice: Client, body: Any, status: int, errcode: str) -> None:
    (await stranger.post("/login", body)).refused(status, errcode)


async def test_logging_out_ends_one_login(homeserver: Homeserver, alice: Client) -> None:
    other = (await homeserver.stranger().post("/login", by_password("alice"))).ok()
    (await alice.post("/logout")).ok()
    assert (await alice.get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")["soft_logout"] is False
    still = Client(homeserver.app, token=other["access_token"])
    devices = (await still.get("/devices")).ok()["devices"]
    assert [device["device_id"] for device in devices] == [other["device_id"]]


async def test_logging_out_everywhere(homeserver: Homeserver, alice: Client) -> None:
    other = (await homeserver.stranger().post("/login", by_password("alice"))).ok()
    (await alice.post("/logout/all")).ok()
    for token in (alice.token, other["access_token"]):
        (await Client(homeserver.app, token=token).get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")


async def test_refresh_tokens(homeserver: Homeserver, alice: Client) -> None:
    stranger = homeserver.stranger()
    login = (await stranger.post("/login", by_password("alice", refresh_token=True))).ok()
    assert login["expires_in_ms"] > 0
    refreshed = (await stranger.post("/refresh", {"refresh_token": login["refresh_token"]})).ok()
    assert refreshed["access_token"] != login["access_token"]
    assert refreshed["expires_in_ms"] > 0
    (await Client(homeserver.app, token=refreshed["access_token"]).get("/account/whoami")).ok()
    (await stranger.post("/refresh", {"refresh_token": login["refresh_token"]})).refused(401, "M_UNKNOWN_TOKEN")
    (await stranger.post("/refresh", {})).refused(400, "M_BAD_JSON")


async def test_logins_are_limited_by_address(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    slow = {"per_second": 0.01, "burst_count": 2}
    async with running(database, rc_login={"address": slow}) as server:
        stranger = server.stranger()
        for _ in range(2):
            (await stranger.post("/login", by_password("nobody"))).refused(403, "M_FORBIDDEN")
        refused = (await stranger.post("/login", by_password("nobody"))).refused(429, "M_LIMIT_EXCEEDED")
        assert refused["retry_after_ms"] > 0
