"""Locking and suspending accounts, and what those may still do: `/admin/lock`, `/admin/suspend`, `/admin/whois`."""

from typing import Any

import pytest

from tests.api.asgi import Answer, Client, in_room, part
from tests.api.homeserver import Homeserver
from tests.api.test_account import confirmed, log_in, proof

ADMIN = "/_matrix/client/v1/admin"


@pytest.fixture
async def admin(homeserver: Homeserver) -> Client:
    client = await homeserver.register("admin")
    await homeserver.server.users.account_changes.set_flag(client.user_id, "admin", value=True)
    return client


async def measure(admin: Client, act: str, user_id: str, *, value: bool) -> Answer:
    name = {"lock": "locked", "suspend": "suspended"}[act]
    return await admin.request("PUT", f"{ADMIN}/{act}/{part(user_id)}", {name: value})


@pytest.mark.parametrize(("act", "name"), [("lock", "locked"), ("suspend", "suspended")])
async def test_an_admin_sets_and_lifts(admin: Client, alice: Client, act: str, name: str) -> None:
    path = f"{ADMIN}/{act}/{part(alice.user_id)}"
    assert (await admin.request("GET", path)).ok() == {name: False}
    for value in (True, True, False):
        assert (await measure(admin, act, alice.user_id, value=value)).ok() == {name: value}
        assert (await admin.request("GET", path)).ok() == {name: value}
    (await alice.get("/account/whoami")).ok()


@pytest.mark.parametrize("act", ["lock", "suspend"])
async def test_who_may_not_and_whom_not(homeserver: Homeserver, admin: Client, alice: Client, act: str) -> None:
    # Whether there is such an account is not told to those who may not ask.
    for user_id in ("@nobody:ranvier.test", "@x:elsewhere", "nonsense", admin.user_id):
        path = f"{ADMIN}/{act}/{part(user_id)}"
        (await alice.request("GET", path)).refused(403, "M_FORBIDDEN")
        (await measure(alice, act, user_id, value=True)).refused(403, "M_FORBIDDEN")
    for user_id, status, errcode in (
        ("@nobody:ranvier.test", 404, "M_NOT_FOUND"),
        ("@x:elsewhere", 400, "M_INVALID_PARAM"),
        ("nonsense", 400, "M_INVALID_PARAM"),
    ):
        (await admin.request("GET", f"{ADMIN}/{act}/{part(user_id)}")).refused(status, errcode)
        (await measure(admin, act, user_id, value=True)).refused(status, errcode)
    (await measure(admin, act, admin.user_id, value=True)).refused(403, "M_FORBIDDEN")
    second = await homeserver.register("second")
    await homeserver.server.users.account_changes.set_flag(second.user_id, "admin", value=True)
    (await measure(admin, act, second.user_id, value=True)).refused(403, "M_FORBIDDEN")
    (await admin.request("GET", f"{ADMIN}/{act}/{part(second.user_id)}")).refused(403, "M_FORBIDDEN")
    (await admin.request("PUT", f"{ADMIN}/{act}/{part(alice.user_id)}", {})).refused(400, "M_BAD_JSON")


async def test_the_deactivated_are_not_found(admin: Client, alice: Client) -> None:
    await confirmed(alice, "POST", "/account/deactivate", {})
    for act in ("lock", "suspend"):
        (await admin.request("GET", f"{ADMIN}/{act}/{part(alice.user_id)}")).refused(404, "M_NOT_FOUND")
        (await measure(admin, act, alice.user_id, value=True)).refused(404, "M_NOT_FOUND")


async def test_the_capability_is_for_admins(admin: Client, alice: Client) -> None:
    shown = (await admin.get("/capabilities")).ok()["capabilities"]
    assert shown["m.account_moderation"] == {"suspend": True, "lock": True}
    assert "m.account_moderation" not in (await alice.get("/capabilities")).ok()["capabilities"]


async def test_the_locked_may_only_log_out(homeserver: Homeserver, admin: Client, alice: Client) -> None:
    room_id = await alice.create_room()
    other = await log_in(homeserver, "alice")
    (await measure(admin, "lock", alice.user_id, value=True)).ok()
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/sync", None),
        ("GET", "/account/whoami", None),
        ("GET", "/capabilities", None),
        ("GET", f"/profile/{part(alice.user_id)}", None),
        ("POST", f"{in_room(room_id)}/leave", {}),
        ("POST", "/account/password", {"new_password": "x"}),
        ("POST", "/account/deactivate", {}),
    ]
    for method, path, body in calls:
        refused = await alice.request(method, "/_matrix/client/v3" + path, body)
        assert refused.refused(401, "M_USER_LOCKED")["soft_logout"] is True
    (await other.post("/logout")).ok()
    (await other.get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")
    # The access token outlives the lock.
    (await measure(admin, "lock", alice.user_id, value=False)).ok()
    (await alice.get("/account/whoami")).ok()
    (await measure(admin, "lock", alice.user_id, value=True)).ok()
    (await alice.post("/logout/all")).ok()
    (await alice.get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")


async def test_a_lock_cannot_be_gone_around(homeserver: Homeserver, admin: Client, alice: Client) -> None:
    stranger = homeserver.stranger()
    password = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": "alice"},
        "password": "correct horse",
    }
    login = (await stranger.post("/login", {**password, "refresh_token": True})).ok()
    (await measure(admin, "lock", alice.user_id, value=True)).ok()
    (await stranger.post("/login", password)).refused(401, "M_USER_LOCKED")
    refused = await stranger.post("/refresh", {"refresh_token": login["refresh_token"]})
    assert refused.refused(401, "M_USER_LOCKED")["soft_logout"] is True
    # Neither by proving who one is without a token.
    session = (await stranger.post("/account/password", {"new_password": "x"})).json["session"]
    auth = proof(alice, session)
    (await stranger.post("/account/password", {"new_password": "x", "auth": auth})).refused(401, "M_USER_LOCKED")
    (await measure(admin, "lock", alice.user_id, value=False)).ok()
    (await stranger.post("/refresh", {"refresh_token": login["refresh_token"]})).ok()


async def test_what_the_suspended_may_not(admin: Client, alice: Client, bob: Client, carol: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    (await carol.act(room_id, "join")).ok()
    said = await carol.say(room_id, "hello")
    elsewhere = await bob.create_room(preset="public_chat")
    invited = await bob.create_room(invite=[alice.user_id])
    knockable = await bob.create_room(initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}])
    (await measure(admin, "suspend", alice.user_id, value=True)).ok()
    own = f"/profile/{part(alice.user_id)}"
    level = (await alice.state(room_id, "m.room.power_levels")).ok()
    refused = [
        await alice.act(elsewhere, "join"),
        await alice.post(f"/join/{part(elsewhere)}"),
        await alice.act(invited, "join"),
        await alice.post(f"/knock/{part(knockable)}"),
        await alice.act(room_id, "invite", user_id=bob.user_id),
        await alice.act(room_id, "kick", user_id=carol.user_id),
        await alice.act(room_id, "ban", user_id=carol.user_id),
        await alice.act(room_id, "unban", user_id=carol.user_id),
        await alice.send(room_id, "m.room.message", {"msgtype": "m.text", "body": "x"}),
        await alice.set_state(room_id, "m.room.topic", {"topic": "x"}),
        await alice.set_state(room_id, "m.room.power_levels", level),
        await alice.set_state(elsewhere, "m.room.member", {"membership": "join"}, alice.user_id),
        await alice.post("/createRoom"),
        await alice.post(f"{in_room(room_id)}/upgrade", {"new_version": "11"}),
        await alice.put(f"{own}/displayname", {"displayname": "x"}),
        await alice.put(f"{own}/avatar_url", {"avatar_url": "mxc://a/b"}),
        await alice.request("DELETE", f"/_matrix/client/v3{own}/displayname"),
        await alice.redact(room_id, said),
        await alice.send(room_id, "m.room.redaction", {"redacts": said}),
        await alice.put("/directory/room/%23x:ranvier.test", {"room_id": room_id}),
        await alice.put(f"/directory/list{in_room(room_id).replace('rooms', 'room')}", {"visibility": "public"}),
    ]
    for answer in refused:
        answer.refused(403, "M_USER_SUSPENDED")


async def test_what_the_suspended_still_may(homeserver: Homeserver, admin: Client, alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    mistakes = [await alice.say(room_id, text) for text in ("one", "two")]
    invited = await bob.create_room(invite=[alice.user_id])
    (await measure(admin, "suspend", alice.user_id, value=True)).ok()
    fresh = await log_in(homeserver, "alice")
    (await fresh.post("/createRoom")).refused(403, "M_USER_SUSPENDED")
    await bob.say(room_id, "do you hear me?")
    assert "do you hear me?" in (await alice.get("/sync")).body.decode()
    assert (await alice.get(f"{in_room(room_id)}/messages", dir="b")).ok()["chunk"]
    (await alice.redact(room_id, mistakes[0])).ok()
    (await alice.send(room_id, "m.room.redaction", {"redacts": mistakes[1]})).ok()
    (await alice.act(invited, "leave")).ok()
    (await alice.set_state(room_id, "m.room.member", {"membership": "leave"}, alice.user_id)).ok()
    (await alice.get("/devices")).ok()
    (await alice.post("/keys/query", {"device_keys": {bob.user_id: []}})).ok()
    (await alice.post("/keys/upload", {})).ok()
    body = {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {"public_key": "x"}}
    (await alice.post("/room_keys/version", body)).ok()
    (await fresh.post("/logout")).ok()
    await confirmed(alice, "POST", "/account/deactivate", {})


async def test_whois(homeserver: Homeserver, admin: Client, alice: Client, bob: Client) -> None:
    path = f"/admin/whois/{part(alice.user_id)}"
    device_id = (await alice.get("/account/whoami")).ok()["device_id"]
    found = (await alice.get(path)).ok()
    for client in (alice, admin):
        assert (await client.get(path)).ok() == found
        assert found["user_id"] == alice.user_id
        (session,) = found["devices"][device_id]["sessions"]
        (connection,) = session["connections"]
        assert connection["ip"] == "127.0.0.1"
        assert connection["last_seen"] > 0
        assert connection["user_agent"] == ""
    # What has been written down is known too.
    await homeserver.server.users.last_seen.flush()
    assert (await admin.get(path)).ok() == found
    (await bob.get(path)).refused(403, "M_FORBIDDEN")
    (await bob.get(f"/admin/whois/{part('@nobody:ranvier.test')}")).refused(403, "M_FORBIDDEN")
    (await admin.get(f"/admin/whois/{part('@nobody:ranvier.test')}")).refused(404, "M_NOT_FOUND")
    (await admin.get(f"/admin/whois/{part('@x:elsewhere')}")).refused(400, "M_INVALID_PARAM")
    assert (await admin.request("GET", f"/_synapse/admin/v1/whois/{part(alice.user_id)}")).ok() == found
