"""An account's whole life, on each database: what else is tested on SQLite alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import Homeserver, running
from tests.api.test_account import confirmed, log_in

GUESTS = [{"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "can_join"}}]


@pytest.fixture
async def homeserver(db_config: Mapping[str, Any], tmp_path: Path) -> AsyncIterator[Homeserver]:
    """One with terms, login tokens and little patience."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "1.html").write_text("")
    options: dict[str, Any] = {
        "login_via_existing_session": {"enabled": True, "require_ui_auth": False},
        "user_consent": {"template_dir": str(tmp_path), "version": "1", "require_at_registration": True},
        "rc_reports": {"per_second": 0.001, "burst_count": 1},
    }
    async with running(db_config, **options) as server:
        yield server


async def registered(server: Homeserver, name: str, **more: object) -> Client:
    body = {"username": name, "password": "correct horse", **more}
    session = (await server.stranger().post("/register", body)).json["session"]
    auth = {"type": "m.login.terms", "session": session}
    answer = (await server.stranger().post("/register", {**body, "auth": auth})).ok()
    return Client(server.app, token=answer["access_token"], user_id=answer["user_id"])


async def is_gone(client: Client, room_id: str, user_id: str) -> bool:
    for _ in range(200):
        if (await client.state(room_id, "m.room.member", user_id)).ok()["membership"] == "leave":
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_life(homeserver: Homeserver) -> None:
    admin = await registered(homeserver, "admin")
    await homeserver.server.users.account_changes.set_flag(admin.user_id, "admin", value=True)
    room_id = await admin.create_room(preset="public_chat", initial_state=GUESTS)
    made = (await homeserver.stranger().post("/register?kind=guest", {})).ok()
    guest = Client(homeserver.app, token=made["access_token"], user_id=made["user_id"])
    other = (await homeserver.stranger().post("/register?kind=guest", {})).ok()
    for client in (guest, Client(homeserver.app, token=other["access_token"])):
        (await client.act(room_id, "join")).ok()
    name = guest.user_id[1:].partition(":")[0]
    alice = await registered(homeserver, name, guest_access_token=guest.token)
    assert alice.user_id == guest.user_id
    (await admin.set_state(room_id, "m.room.guest_access", {"guest_access": "forbidden"})).ok()
    assert await is_gone(admin, room_id, other["user_id"])
    await alice.say(room_id, "still here")
    token = (await alice.request("POST", "/_matrix/client/v1/login/get_token", {})).ok()["login_token"]
    for status in (200, 403):
        answer = await homeserver.stranger().post("/login", {"type": "m.login.token", "token": token})
        assert answer.status == status
    override = f"/_synapse/admin/v1/users/{part(alice.user_id)}/override_ratelimit"
    (await admin.request("POST", override, {"messages_per_second": 0})).ok()
    for _ in range(3):
        (await alice.post(f"/users/{part(admin.user_id)}/report", {"reason": "x"})).ok()
    (await admin.request("DELETE", override)).ok()
    (await alice.post(f"/users/{part(admin.user_id)}/report", {"reason": "x"})).ok()
    (await alice.post(f"/users/{part(admin.user_id)}/report", {"reason": "x"})).refused(429, "M_LIMIT_EXCEEDED")
    lock = f"/_matrix/client/v1/admin/lock/{part(alice.user_id)}"
    (await admin.request("PUT", lock, {"locked": True})).ok()
    (await alice.get("/sync")).refused(401, "M_USER_LOCKED")
    (await admin.request("PUT", lock, {"locked": False})).ok()
    assert len((await admin.get(f"/admin/whois/{part(alice.user_id)}")).ok()["devices"]) == 3
    fresh = await log_in(homeserver, name)
    await confirmed(fresh, "POST", "/account/deactivate", {"erase": True})
    assert await is_gone(admin, room_id, alice.user_id)
    late = await registered(homeserver, "late")
    (await late.act(room_id, "join")).ok()
    for client, expected in ((admin, 1), (late, 0)):
        answer = await client.get(f"{in_room(room_id)}/messages", dir="b", limit="100")
        assert answer.body.count(b"still here") == expected


async def test_leaving_for_good_outlives_a_crash(db_config: Mapping[str, Any]) -> None:
    async with running(db_config) as server:
        alice, bob = [await server.register(name) for name in ("alice", "bob")]
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
        await server.server.users.account_changes.deactivate(bob.user_id, erase=False)
        assert (await alice.state(room_id, "m.room.member", bob.user_id)).ok()["membership"] == "join"
    async with running(db_config) as server:
        assert await is_gone(alice.at(server.app), room_id, bob.user_id)
        for _ in range(100):
            if not await server.db.value("SELECT COUNT(*) FROM departing_users"):
                break
            await asyncio.sleep(0.01)
        assert await server.db.value("SELECT COUNT(*) FROM departing_users") == 0
