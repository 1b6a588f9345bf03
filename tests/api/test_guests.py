"""Guests: what they may, how they become users, and when they have to go."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Answer, Client, in_room, part
from tests.api.homeserver import Homeserver, running

GUEST_ACCESS = "m.room.guest_access"
OPEN = {"guest_access": "can_join"}


async def membership(client: Client, room_id: str, user_id: str) -> str:
    found: str = (await client.state(room_id, "m.room.member", user_id)).ok()["membership"]
    return found


async def becomes(client: Client, room_id: str, user_id: str, wanted: str) -> None:
    """Wait for what the server does by itself."""
    for _ in range(100):
        if await membership(client, room_id, user_id) == wanted:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{user_id} is still not {wanted}")


async def upgrade(stranger: Client, **body: object) -> Answer:
    wanted = {"password": "wonderland", **body}
    asked = await stranger.post("/register", wanted)
    if asked.status != 401 or "session" not in asked.json:
        return asked
    auth = {"type": "m.login.dummy", "session": asked.json["session"]}
    return await stranger.post("/register", {**wanted, "auth": auth})


def localpart(client: Client) -> str:
    return client.user_id[1:].partition(":")[0]


@pytest.fixture
async def room_id(alice: Client) -> str:
    """A room that guests may join."""
    return await alice.create_room(
        preset="public_chat", initial_state=[{"type": GUEST_ACCESS, "state_key": "", "content": OPEN}]
    )


async def test_only_the_name_of_the_device_counts(homeserver: Homeserver) -> None:
    body = {"initial_device_display_name": "Kiosk", "device_id": "MINE", "username": 7, "password": [], "auth": 1}
    made = (await homeserver.stranger().post("/register?kind=guest", body)).ok()
    assert made["device_id"] != "MINE"
    client = Client(homeserver.app, token=made["access_token"], user_id=made["user_id"])
    (device,) = (await client.get("/devices")).ok()["devices"]
    assert (device["device_id"], device["display_name"]) == (made["device_id"], "Kiosk")


async def test_what_the_spec_lets_them_do(guest: Client, alice: Client, room_id: str) -> None:
    (await guest.act(room_id, "join")).ok()
    event_id = (await guest.send(room_id, "org.example.any", {"x": 1})).ok()["event_id"]
    device_id = (await guest.get("/account/whoami")).ok()["device_id"]
    levels = (await alice.state(room_id, "m.room.power_levels")).ok()
    (await alice.set_state(room_id, "m.room.power_levels", {**levels, "events": {"org.example.s": 0}})).ok()
    own, room = f"/profile/{part(guest.user_id)}", in_room(room_id)
    for path in (
        f"{room}/state",
        f"{room}/context/{part(event_id)}",
        f"{room}/event/{part(event_id)}",
        f"{room}/state/m.room.create/",
        f"{room}/messages?dir=b",
        f"{room}/members",
        f"{room}/initialSync",
        "/sync",
        f"/events?timeout=0&room_id={part(room_id)}",
        "/devices",
        f"/devices/{device_id}",
        "/account/whoami",
        "/capabilities",
    ):
        (await guest.request("GET", "/_matrix/client/v3" + path)).ok()
    (await guest.set_state(room_id, "org.example.s", {})).ok()
    (await guest.put("/sendToDevice/org.example.x/1", {"messages": {alice.user_id: {"*": {}}}})).ok()
    (await guest.put(f"{own}/displayname", {"displayname": "Visitor"})).ok()
    (await guest.request("DELETE", f"/_matrix/client/v3{own}/displayname")).ok()
    (await guest.put(f"/devices/{device_id}", {"display_name": "x"})).ok()
    for path in ("/keys/upload", "/keys/query", "/keys/claim"):
        body: dict[str, Any] = (
            {"device_keys": {}} if path == "/keys/query" else {"one_time_keys": {}} if "claim" in path else {}
        )
        (await guest.post(path, body)).ok()
    (await guest.act(room_id, "leave")).ok()


async def test_what_they_may_not(guest: Client, alice: Client, room_id: str) -> None:
    own = f"/profile/{part(guest.user_id)}"
    (await guest.act(room_id, "join")).ok()
    calls: list[tuple[str, str, Any]] = [
        ("POST", "/createRoom", {}),
        ("POST", f"{in_room(room_id)}/invite", {"user_id": alice.user_id}),
        ("POST", "/account/password", {"new_password": "x"}),
        ("POST", "/account/deactivate", {}),
        ("GET", "/account/3pid", None),
        ("PUT", f"{own}/avatar_url", {"avatar_url": "mxc://a/b"}),
        ("PUT", f"/presence/{part(guest.user_id)}/status", {"presence": "online"}),
        ("GET", "/pushrules/", None),
        ("PUT", "/directory/room/%23x:ranvier.test", {"room_id": room_id}),
    ]
    for method, path, body in calls:
        (await guest.request(method, "/_matrix/client/v3" + path, body)).refused(403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_what_they_are_told_they_may(guest: Client) -> None:
    shown = (await guest.get("/capabilities")).ok()["capabilities"]
    assert shown["m.change_password"] == {"enabled": False}
    assert shown["m.profile_fields"] == {"enabled": True, "allowed": ["displayname"]}
    assert shown["m.set_displayname"] == {"enabled": True}
    assert shown["m.set_avatar_url"] == {"enabled": False}


@pytest.mark.parametrize("content", [{"guest_access": "forbidden"}, {}, {"guest_access": 1}])
async def test_they_leave_a_room_that_closes(
    alice: Client, bob: Client, guest: Client, room_id: str, content: Mapping[str, object]
) -> None:
    for client in (bob, guest):
        (await client.act(room_id, "join")).ok()
    (await alice.set_state(room_id, GUEST_ACCESS, content)).ok()
    await becomes(alice, room_id, guest.user_id, "leave")
    assert await membership(alice, room_id, bob.user_id) == "join"
    (await guest.act(room_id, "join")).refused(403, "M_GUEST_ACCESS_FORBIDDEN")
    (await alice.set_state(room_id, GUEST_ACCESS, OPEN)).ok()
    (await guest.act(room_id, "join")).ok()


async def test_they_do_not_slip_in_while_a_room_closes(
    homeserver: Homeserver, alice: Client, guest: Client, room_id: str
) -> None:
    for number in range(5):
        (await alice.set_state(room_id, GUEST_ACCESS, OPEN)).ok()
        member = {"membership": "join"}
        close = asyncio.create_task(alice.set_state(room_id, GUEST_ACCESS, {"guest_access": "forbidden", "x": number}))
        await asyncio.sleep(0.0005 * number)
        joined = await guest.set_state(room_id, "m.room.member", member, guest.user_id)
        closed = await close
        closed.ok()
        if joined.status == 200:
            await becomes(alice, room_id, guest.user_id, "leave")
        else:
            joined.refused(403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_they_leave_when_the_rule_is_redacted(alice: Client, guest: Client, room_id: str) -> None:
    (await guest.act(room_id, "join")).ok()
    rule = (await alice.state(room_id, GUEST_ACCESS, format="event")).ok()["event_id"]
    (await alice.redact(room_id, rule)).ok()
    await becomes(alice, room_id, guest.user_id, "leave")


async def test_what_was_missed_is_done_at_the_next_start(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database) as server:
        alice = await server.register("alice")
        guest = await server.register("", is_guest=True)
        rule = [{"type": GUEST_ACCESS, "state_key": "", "content": OPEN}]
        room_id = await alice.create_room(preset="public_chat", initial_state=rule)
        (await guest.act(room_id, "join")).ok()
        server.server.rooms.appender.listeners = [
            listener
            for listener in server.server.rooms.appender.listeners
            if "GuestRemoval" not in getattr(listener, "__qualname__", "")
        ]
        (await alice.set_state(room_id, GUEST_ACCESS, {"guest_access": "forbidden"})).ok()
        await asyncio.sleep(0.05)
        assert await membership(alice, room_id, guest.user_id) == "join"
    async with running(database) as server:
        await becomes(alice.at(server.app), room_id, guest.user_id, "leave")


async def test_a_guest_becomes_a_user(homeserver: Homeserver, alice: Client, guest: Client, room_id: str) -> None:
    (await guest.act(room_id, "join")).ok()
    stranger = homeserver.stranger()
    made = (await upgrade(stranger, username=localpart(guest), guest_access_token=guest.token)).ok()
    assert made["user_id"] == guest.user_id
    user = Client(homeserver.app, token=made["access_token"], user_id=made["user_id"])
    for client in (user, guest):
        assert (await client.get("/account/whoami")).ok()["is_guest"] is False
    (await user.post("/createRoom")).ok()
    (await alice.set_state(room_id, GUEST_ACCESS, {"guest_access": "forbidden"})).ok()
    await asyncio.sleep(0.05)
    assert await membership(alice, room_id, guest.user_id) == "join"
    login = {"type": "m.login.password", "user": localpart(guest), "password": "wonderland"}
    (await stranger.post("/login", login)).ok()
    # Once is enough.
    again = await upgrade(stranger, username=localpart(guest), guest_access_token=guest.token)
    again.refused(403, "M_FORBIDDEN")


async def test_upgrades_that_are_refused(homeserver: Homeserver, alice: Client, guest: Client) -> None:
    stranger = homeserver.stranger()
    (await upgrade(stranger, guest_access_token=guest.token)).refused(400, "M_MISSING_PARAM")
    (await upgrade(stranger, username="other", guest_access_token=guest.token)).refused(403, "M_FORBIDDEN")
    (await upgrade(stranger, username=localpart(guest), guest_access_token="x")).refused(403, "M_FORBIDDEN")
    (await upgrade(stranger, username="alice", guest_access_token=alice.token)).refused(403, "M_FORBIDDEN")
    (await upgrade(stranger, username="alice", guest_access_token=guest.token)).refused(403, "M_FORBIDDEN")
    (await upgrade(stranger, username=localpart(guest))).refused(400, "M_USER_IN_USE")
