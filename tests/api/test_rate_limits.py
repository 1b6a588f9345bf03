"""Rate limits: what is limited by whom, users with limits of their own, and presence."""

from pathlib import Path
from typing import Any

import pytest

from ranvier.config.load import parse
from ranvier.config.rates import RateLimit
from ranvier.ratelimit import OF_ACTING_USERS, OwnLimits, RateLimiter, rate_limiters
from tests.api.asgi import Answer, Client, part
from tests.api.homeserver import OPTIONS, Homeserver, running
from tests.http.clock import ManualClock

ONCE = {"per_second": 0.001, "burst_count": 1}


def server(tmp_path: Path, **options: object) -> Any:
    return running({"name": "sqlite3", "args": {"database": str(tmp_path / "limits.db")}}, **options)


async def admin_of(homeserver: Homeserver) -> Client:
    admin = await homeserver.register("admin")
    await homeserver.server.users.account_changes.set_flag(admin.user_id, "admin", value=True)
    return admin


async def override(admin: Client, method: str, user_id: str, body: object = None) -> Answer:
    return await admin.request(method, f"/_synapse/admin/v1/users/{part(user_id)}/override_ratelimit", body)


async def test_every_limit_of_the_file_has_a_limiter() -> None:
    config = parse(OPTIONS)
    assert set(rate_limiters(config, clock=ManualClock())) >= OF_ACTING_USERS


def test_own_limits() -> None:
    clock, own = ManualClock(), OwnLimits()
    limiter = RateLimiter(RateLimit(per_second=0.5, burst_count=1), clock=clock, own=own)
    own.set("@bot:x", 0, 0)
    own.set("@fast:x", 2, 3)
    for _ in range(100):
        limiter.spend("@bot:x", cost=50)
    assert len(limiter) <= 1
    for _ in range(3):
        limiter.spend("@fast:x")
    with pytest.raises(Exception, match="M_LIMIT_EXCEEDED") as refused:
        limiter.spend("@fast:x")
    assert getattr(refused.value, "extra")["retry_after_ms"] == 500  # noqa: B009
    clock.advance(0.5)
    limiter.spend("@fast:x")
    own.remove("@bot:x")
    limiter.spend("@bot:x")
    with pytest.raises(Exception, match="M_LIMIT_EXCEEDED"):
        limiter.spend("@bot:x")


async def test_an_admin_frees_a_user(tmp_path: Path) -> None:
    async with server(tmp_path, rc_message=ONCE) as homeserver:
        admin, alice = await admin_of(homeserver), await homeserver.register("alice")
        room_id = await alice.create_room()
        await alice.say(room_id, "1")
        message = {"msgtype": "m.text", "body": "2"}
        refused = await alice.send(room_id, "m.room.message", message)
        assert refused.refused(429, "M_LIMIT_EXCEEDED")["retry_after_ms"] > 0
        assert int(refused.headers["retry-after"]) > 0
        assert (await override(admin, "GET", alice.user_id)).ok() == {}
        unlimited = {"messages_per_second": 0, "burst_count": 0}
        assert (await override(admin, "POST", alice.user_id, {})).ok() == unlimited
        assert (await override(admin, "GET", alice.user_id)).ok() == unlimited
        for _ in range(5):
            await alice.say(room_id, "free")
        some = {"messages_per_second": 1, "burst_count": 1}
        assert (await override(admin, "POST", alice.user_id, some)).ok() == some
        await alice.say(room_id, "one")
        (await alice.send(room_id, "m.room.message", message)).refused(429, "M_LIMIT_EXCEEDED")
        (await override(admin, "POST", alice.user_id, unlimited)).ok()
    async with server(tmp_path, rc_message=ONCE) as homeserver:
        alice, admin = alice.at(homeserver.app), admin.at(homeserver.app)
        for _ in range(5):
            await alice.say(room_id, "still free")
        assert (await override(admin, "DELETE", alice.user_id)).ok() == {}
        await alice.say(room_id, "one")
        (await alice.send(room_id, "m.room.message", message)).refused(429, "M_LIMIT_EXCEEDED")


async def test_who_may_give_limits_to_whom(homeserver: Homeserver, alice: Client) -> None:
    admin = await admin_of(homeserver)
    for method in ("GET", "POST", "DELETE"):
        body: object = {} if method == "POST" else None
        (await override(alice, method, alice.user_id, body)).refused(403, "M_FORBIDDEN")
        (await override(admin, method, "@nobody:ranvier.test", body)).refused(404, "M_NOT_FOUND")
        (await override(admin, method, "@x:elsewhere", body)).refused(400, "M_INVALID_PARAM")
    for wrong in (-1, 1 << 40):
        (await override(admin, "POST", alice.user_id, {"burst_count": wrong})).refused(400, "M_INVALID_PARAM")
    (await override(admin, "POST", alice.user_id, {"burst_count": "x"})).refused(400, "M_BAD_JSON")


async def test_presence_is_limited(tmp_path: Path) -> None:
    async with server(tmp_path, rc_presence={"per_user": ONCE}) as homeserver:
        alice = await homeserver.register("alice")
        path = f"/presence/{part(alice.user_id)}/status"
        (await alice.get("/sync", set_presence="online")).ok()
        (await alice.get("/sync", set_presence="unavailable")).ok()
        assert (await alice.get(path)).ok()["presence"] == "unavailable"
        # A sync that says something else too soon is answered, and what it says is passed over.
        (await alice.get("/sync", set_presence="online")).ok()
        assert (await alice.get(path)).ok()["presence"] == "unavailable"
        (await alice.put(path, {"presence": "online"})).refused(429, "M_LIMIT_EXCEEDED")


async def test_failed_logins_are_limited_per_account(tmp_path: Path) -> None:
    often = {"per_second": 1000, "burst_count": 1000}
    rates = {"address": often, "account": often, "failed_attempts": ONCE}
    async with server(tmp_path, rc_login=rates) as homeserver:
        await homeserver.register("alice")
        stranger = homeserver.stranger()
        wrong = {"type": "m.login.password", "user": "alice", "password": "wrong"}
        right = {**wrong, "password": "correct horse"}
        for _ in range(3):
            (await stranger.post("/login", right)).ok()
        (await stranger.post("/login", wrong)).refused(403, "M_FORBIDDEN")
        for body in (wrong, right, {**right, "user": "@Alice:ranvier.test"}):
            refused = await stranger.post("/login", body)
            refused.refused(429, "M_LIMIT_EXCEEDED")
            assert int(refused.headers["retry-after"]) > 0


async def test_logins_are_limited_per_account(tmp_path: Path) -> None:
    often = {"per_second": 1000, "burst_count": 1000}
    rates = {"address": often, "account": ONCE, "failed_attempts": often}
    async with server(tmp_path, rc_login=rates) as homeserver:
        await homeserver.register("alice")
        await homeserver.register("bob")
        body = {"type": "m.login.password", "user": "alice", "password": "correct horse"}
        stranger = homeserver.stranger()
        (await stranger.post("/login", body)).ok()
        (await stranger.post("/login", body)).refused(429, "M_LIMIT_EXCEEDED")
        (await stranger.post("/login", {**body, "user": "bob"})).ok()


async def test_checks_of_registration_tokens_are_limited(tmp_path: Path) -> None:
    path = "/_matrix/client/v1/register/m.login.registration_token/validity?token=x"
    async with server(tmp_path, registration_requires_token=True, rc_registration_token_validity=ONCE) as homeserver:
        stranger = homeserver.stranger()
        (await stranger.request("GET", path)).ok()
        (await stranger.request("GET", path)).refused(429, "M_LIMIT_EXCEEDED")
