"""Credentials for others: the TURN server's, and tokens that prove who one is. And networks that are not bridged."""

import hmac
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Answer, Client, part
from tests.api.homeserver import SERVER_NAME, Homeserver, running
from tests.api.own_clock import OwnClock, running_at

URIS = ["turn:turn.example.org?transport=udp", "turns:turn.example.org"]
NOON = 1_700_000_000_000


async def turn(folder: Path, *, guest: bool = False, **options: object) -> tuple[Answer, str]:
    async with running_at(OwnClock(NOON), folder, **options) as server:
        client = await server.register("" if guest else "alice", is_guest=guest)
        return await client.get("/voip/turnServer"), client.user_id


async def test_turn_with_a_shared_secret(tmp_path: Path) -> None:
    answer, user_id = await turn(tmp_path, turn_uris=URIS, turn_shared_secret="s3cret", turn_user_lifetime="2h")
    username = f"{NOON // 1000 + 7200}:{user_id}"
    password = b64encode(hmac.digest(b"s3cret", username.encode(), "sha1")).decode()
    assert answer.ok() == {"username": username, "password": password, "uris": URIS, "ttl": 7200}


async def test_turn_with_a_fixed_user(tmp_path: Path) -> None:
    answer, _ = await turn(tmp_path, turn_uris=URIS, turn_username="us", turn_password="pw")
    assert answer.ok() == {"username": "us", "password": "pw", "uris": URIS, "ttl": 3600}


@pytest.mark.parametrize("options", [{}, {"turn_uris": URIS}, {"turn_shared_secret": "x"}])
async def test_no_turn_server(tmp_path: Path, options: dict[str, Any]) -> None:
    answer, _ = await turn(tmp_path, **options)
    assert answer.ok() == {}


@pytest.mark.parametrize("allowed", [True, False])
async def test_turn_for_guests(tmp_path: Path, allowed: bool) -> None:
    answer, _ = await turn(tmp_path, guest=True, turn_uris=URIS, turn_shared_secret="x", turn_allow_guests=allowed)
    if allowed:
        assert answer.ok()["uris"] == URIS
    else:
        answer.refused(403, "M_GUEST_ACCESS_FORBIDDEN")


LISTENERS = [{"type": "http", "port": 0, "resources": [{"names": ["client", "openid"]}]}]


async def userinfo(client: Client, token: str) -> Answer:
    path = "/_matrix/federation/v1/openid/userinfo"
    return await client.request("GET", path, query={"access_token": token})


async def token_of(client: Client) -> Any:
    return (await client.post(f"/user/{part(client.user_id)}/openid/request_token")).ok()


async def test_a_token_proves_who_one_is_for_an_hour(tmp_path: Path) -> None:
    clock = OwnClock(NOON)
    async with running_at(clock, tmp_path, listeners=LISTENERS) as server:
        alice, stranger = await server.register("alice"), server.stranger()
        first, second = await token_of(alice), (await token_of(alice))["access_token"]
        assert first.pop("access_token") != second
        assert first == {"token_type": "Bearer", "matrix_server_name": SERVER_NAME, "expires_in": 3600}
        assert (await userinfo(stranger, second)).ok() == {"sub": alice.user_id}
        clock.now += 3_599_999
        assert (await userinfo(stranger, second)).ok() == {"sub": alice.user_id}
        clock.now += 1
        (await userinfo(stranger, second)).refused(401, "M_UNKNOWN_TOKEN")
        await token_of(alice)
        assert await server.db.value("SELECT COUNT(*) FROM openid_tokens") == 1


async def test_such_a_token_opens_nothing_else(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "openid.db")}}
    async with running(database, listeners=LISTENERS) as server:
        alice, bob = [await server.register(name) for name in ("alice", "bob")]
        token = (await token_of(alice))["access_token"]
        (await Client(server.app, token=token).get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")
        (await userinfo(bob, str(alice.token))).refused(401, "M_UNKNOWN_TOKEN")
        (await userinfo(bob, "")).refused(401, "M_UNKNOWN_TOKEN")
        (await bob.post(f"/user/{part(alice.user_id)}/openid/request_token")).refused(403, "M_FORBIDDEN")


async def test_no_network_is_bridged(alice: Client, stranger: Client) -> None:
    assert (await alice.get("/thirdparty/protocols")).ok() == {}
    for kind in ("protocol", "location", "user"):
        (await alice.get(f"/thirdparty/{kind}/irc")).refused(404, "M_NOT_FOUND")
    (await alice.get("/thirdparty/location", alias="#a:b")).refused(404, "M_NOT_FOUND")
    (await alice.get("/thirdparty/user", userid="@a:b")).refused(404, "M_NOT_FOUND")
    (await alice.get("/thirdparty/user")).refused(400, "M_MISSING_PARAM")
    (await stranger.get("/thirdparty/protocols")).refused(401, "M_MISSING_TOKEN")


async def test_tokens_on_each_database(homeserver_on_each: Homeserver) -> None:
    alice = await homeserver_on_each.register("alice")
    token = (await token_of(alice))["access_token"]
    user_id = await homeserver_on_each.db.value("SELECT user_id FROM openid_tokens")
    assert (user_id, len(token) >= 20) == (alice.user_id, True)
