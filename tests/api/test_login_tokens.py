"""`POST /login/get_token`, and logging in with what it gives."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Answer, Client
from tests.api.homeserver import Homeserver, running
from tests.api.own_clock import OwnClock, running_at
from tests.api.test_account import proof

GET_TOKEN = "/_matrix/client/v1/login/get_token"
ON = {"enabled": True, "require_ui_auth": False}


def database(tmp_path: Path) -> dict[str, Any]:
    return {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}


async def log_in(server: Homeserver, token: object, **more: object) -> Answer:
    return await server.stranger().post("/login", {"type": "m.login.token", "token": token, **more})


async def test_where_it_is_not_offered(alice: Client, homeserver: Homeserver) -> None:
    (await alice.request("POST", GET_TOKEN, {})).refused(404, "M_UNRECOGNIZED")
    assert (await alice.get("/login")).ok() == {"flows": [{"type": "m.login.password"}]}
    capabilities = (await alice.get("/capabilities")).ok()["capabilities"]
    assert capabilities["m.get_login_token"] == {"enabled": False}
    (await log_in(homeserver, "x")).refused(400, "M_UNKNOWN")


async def test_a_token_lets_another_device_in_once(tmp_path: Path) -> None:
    async with running(database(tmp_path), login_via_existing_session=ON) as server:
        alice = await server.register("alice")
        assert {"type": "m.login.token", "get_login_token": True} in (await alice.get("/login")).ok()["flows"]
        assert (await alice.get("/capabilities")).ok()["capabilities"]["m.get_login_token"] == {"enabled": True}
        given = (await alice.request("POST", GET_TOKEN, {})).ok()
        assert given["expires_in_ms"] == 5 * 60_000
        made = (await log_in(server, given["login_token"], device_id="TABLET", refresh_token=True)).ok()
        assert (made["user_id"], made["device_id"]) == (alice.user_id, "TABLET")
        assert made["refresh_token"]
        (await Client(server.app, token=made["access_token"]).get("/account/whoami")).ok()
        (await log_in(server, given["login_token"])).refused(403, "M_FORBIDDEN")
        (await log_in(server, "nothing")).refused(403, "M_FORBIDDEN")
        (await server.stranger().post("/login", {"type": "m.login.token"})).refused(400, "M_MISSING_PARAM")
        (await server.stranger().request("POST", GET_TOKEN, {})).refused(401, "M_MISSING_TOKEN")
        guest = await server.register("", is_guest=True)
        (await guest.request("POST", GET_TOKEN, {})).refused(403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_it_has_to_be_confirmed_each_time(tmp_path: Path) -> None:
    options = {"login_via_existing_session": {"enabled": True}, "ui_auth": {"session_timeout": "1h"}}
    async with running(database(tmp_path), **options) as server:
        alice = await server.register("alice")
        for _ in range(2):
            asked = await alice.request("POST", GET_TOKEN, {})
            assert asked.status == 401
            auth = proof(alice, asked.json["session"])
            (await alice.request("POST", GET_TOKEN, {"auth": auth})).ok()


async def test_it_is_limited(tmp_path: Path) -> None:
    async with running(database(tmp_path), login_via_existing_session=ON) as server:
        alice = await server.register("alice")
        for _ in range(5):
            (await alice.request("POST", GET_TOKEN, {})).ok()
        answer = await alice.request("POST", GET_TOKEN, {})
        assert answer.refused(429, "M_LIMIT_EXCEEDED")["retry_after_ms"] > 0
        assert int(answer.headers["retry-after"]) > 0


async def test_it_expires(tmp_path: Path) -> None:
    clock = OwnClock(1_700_000_000_000)
    async with running_at(clock, tmp_path, login_via_existing_session={**ON, "token_timeout": "10s"}) as server:
        alice = await server.register("alice")
        tokens = [(await alice.request("POST", GET_TOKEN, {})).ok()["login_token"] for _ in range(2)]
        clock.now += 9_999
        (await log_in(server, tokens[0])).ok()
        clock.now += 1
        (await log_in(server, tokens[1])).refused(403, "M_FORBIDDEN")


@pytest.mark.parametrize("ending", ["logout", "lock", "deactivate"])
async def test_it_does_not_outlive_the_account(tmp_path: Path, ending: str) -> None:
    async with running(database(tmp_path), login_via_existing_session=ON) as server:
        alice = await server.register("alice")
        token = (await alice.request("POST", GET_TOKEN, {})).ok()["login_token"]
        changes = server.server.users.account_changes
        if ending == "logout":
            (await alice.post("/logout/all")).ok()
            (await log_in(server, token)).refused(403, "M_FORBIDDEN")
        elif ending == "lock":
            await changes.set_flag(alice.user_id, "locked", value=True)
            (await log_in(server, token)).refused(401, "M_USER_LOCKED")
            await changes.set_flag(alice.user_id, "locked", value=False)
            (await log_in(server, token)).ok()
        else:
            await changes.deactivate(alice.user_id, erase=False)
            (await log_in(server, token)).refused(403, "M_FORBIDDEN")
