"""`/register`, and registration with the shared secret."""

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Client
from tests.api.homeserver import Homeserver, running


def database(tmp_path: Path) -> dict[str, Any]:
    return {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}


async def test_registration_asks_first(stranger: Client) -> None:
    body = {"username": "alice", "password": "wonderland"}
    asked = await stranger.post("/register", body)
    assert asked.status == 401
    assert asked.json.keys() == {"flows", "params", "session"}
    assert asked.json["flows"] == [{"stages": ["m.login.dummy"]}]
    auth = {"type": "m.login.dummy", "session": asked.json["session"]}
    made = (await stranger.post("/register", {**body, "auth": auth, "device_id": "PHONE"})).ok()
    assert (made["user_id"], made["device_id"]) == ("@alice:ranvier.test", "PHONE")
    assert made["access_token"]


async def test_an_unknown_stage_says_what_is_wrong(stranger: Client) -> None:
    body = {"username": "alice", "password": "wonderland", "auth": {"type": "org.example.none"}}
    answer = await stranger.post("/register", body)
    assert answer.status == 401
    assert answer.json["errcode"]
    assert answer.json["flows"]


async def test_names(stranger: Client, alice: Client) -> None:
    assert (await stranger.get("/register/available", username="bob")).ok() == {"available": True}
    (await stranger.get("/register/available", username="alice")).refused(400, "M_USER_IN_USE")
    (await stranger.get("/register/available", username="a b")).refused(400, "M_INVALID_USERNAME")
    (await stranger.get("/register/available")).refused(400, "M_MISSING_PARAM")
    (await stranger.post("/register", {"username": "alice", "password": "x"})).refused(400, "M_USER_IN_USE")


async def test_guests(guest: Client, stranger: Client) -> None:
    who = (await guest.get("/account/whoami")).ok()
    assert who["is_guest"] is True
    (await guest.post("/account/deactivate")).refused(403, "M_GUEST_ACCESS_FORBIDDEN")
    (await stranger.post("/register?kind=admin", {})).refused(400, "M_INVALID_PARAM")


async def test_closed_registration(tmp_path: Path) -> None:
    async with running(database(tmp_path), enable_registration=False, allow_guest_access=False) as server:
        stranger = server.stranger()
        (await stranger.post("/register", {"username": "a", "password": "b"})).refused(403, "M_FORBIDDEN")
        (await stranger.post("/register?kind=guest", {})).refused(403, "M_FORBIDDEN")


async def test_registrations_are_limited_but_not_the_stages_of_one(tmp_path: Path) -> None:
    slow = {"per_second": 0.01, "burst_count": 1}
    async with running(database(tmp_path), rc_registration=slow) as server:
        stranger = server.stranger()
        for _ in range(3):
            assert (await stranger.post("/register", {"username": "a", "password": "b"})).status == 401
        await server.register("alice")
        (await stranger.post("/register", {"username": "b", "password": "b"})).refused(429, "M_LIMIT_EXCEEDED")


async def test_token_validity(tmp_path: Path) -> None:
    options: dict[str, Any] = {"registration_requires_token": True}
    path = "/_matrix/client/v1/register/m.login.registration_token/validity"
    async with running(database(tmp_path), **options) as server:
        asked = await server.stranger().post("/register", {"username": "a", "password": "b"})
        assert asked.json["flows"] == [{"stages": ["m.login.registration_token", "m.login.dummy"]}]
        answer = await server.stranger().request("GET", path, query={"token": "nothing"})
        assert answer.ok() == {"valid": False}


SECRET = "shared secret"


def signed(nonce: str, name: str, *, admin: bool) -> dict[str, Any]:
    parts = [nonce, name, "password", "admin" if admin else "notadmin"]
    mac = hmac.new(SECRET.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()
    return {"nonce": nonce, "username": name, "password": "password", "admin": admin, "mac": mac}


@pytest.mark.parametrize("admin", [False, True])
async def test_shared_secret(tmp_path: Path, admin: bool) -> None:
    path = "/_synapse/admin/v1/register"
    async with running(database(tmp_path), registration_shared_secret=SECRET, enable_registration=False) as server:
        stranger = server.stranger()
        nonce = (await stranger.request("GET", path)).ok()["nonce"]
        made = (await stranger.request("POST", path, signed(nonce, "root", admin=admin))).ok()
        assert made["user_id"] == "@root:ranvier.test"
        assert (await Client(server.app, token=made["access_token"]).get("/account/whoami")).status == 200
        requester = await server.server.users.sessions.authenticate(made["access_token"])
        assert requester.is_admin is admin
        again = await stranger.request("POST", path, signed(nonce, "root2", admin=admin))
        assert again.status == 400
        fresh = (await stranger.request("GET", path)).ok()["nonce"]
        forged = {**signed(fresh, "root2", admin=False), "admin": True}
        (await stranger.request("POST", path, forged)).refused(403, "M_FORBIDDEN")


async def test_without_a_shared_secret_there_is_no_nonce(homeserver: Homeserver) -> None:
    answer = await homeserver.stranger().request("GET", "/_synapse/admin/v1/register")
    assert answer.status == 400
