"""`/account/*` and `/devices`: what a user does with their account."""

from typing import Any

from tests.api.asgi import Client
from tests.api.homeserver import Homeserver

PASSWORD = "correct horse"


def proof(client: Client, session: str, password: str = PASSWORD) -> dict[str, Any]:
    identifier = {"type": "m.id.user", "user": client.user_id}
    return {"type": "m.login.password", "identifier": identifier, "password": password, "session": session}


async def confirmed(client: Client, method: str, path: str, body: dict[str, Any]) -> Any:
    """Do what has to be confirmed with the password, in two requests."""
    asked = await client.request(method, "/_matrix/client/v3" + path, body)
    assert asked.status == 401
    assert asked.json["flows"] == [{"stages": ["m.login.password"]}]
    auth = proof(client, asked.json["session"])
    return (await client.request(method, "/_matrix/client/v3" + path, {**body, "auth": auth})).ok()


async def log_in(homeserver: Homeserver, name: str, password: str = PASSWORD) -> Client:
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": name}, "password": password}
    answer = (await homeserver.stranger().post("/login", body)).ok()
    return Client(homeserver.app, token=answer["access_token"], user_id=answer["user_id"])


async def test_another_password(homeserver: Homeserver, alice: Client) -> None:
    other = await log_in(homeserver, "alice")
    await confirmed(alice, "POST", "/account/password", {"new_password": "battery staple"})
    (await alice.get("/account/whoami")).ok()
    (await other.get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")
    await log_in(homeserver, "alice", "battery staple")


async def test_a_wrong_password_confirms_nothing_and_may_be_corrected(alice: Client) -> None:
    asked = await alice.post("/account/password", {"new_password": "x"})
    session = asked.json["session"]
    wrong = await alice.post("/account/password", {"new_password": "x", "auth": proof(alice, session, "wrong")})
    assert (wrong.status, wrong.errcode) == (401, "M_FORBIDDEN")
    assert wrong.json["session"] == session
    (await alice.post("/account/password", {"new_password": "x", "auth": proof(alice, session)})).ok()


async def test_a_session_is_good_for_one_operation(alice: Client, bob: Client) -> None:
    session = (await alice.post("/account/password", {"new_password": "x"})).json["session"]
    elsewhere = await alice.post("/account/deactivate", {"auth": {"session": session}})
    assert elsewhere.status == 401
    assert elsewhere.json["session"] != session
    (await bob.post("/account/password", {"new_password": "x", "auth": proof(alice, session)})).json["session"]
    (await alice.get("/account/whoami")).ok()


async def test_deactivation_leaves_every_room(homeserver: Homeserver, alice: Client, bob: Client) -> None:
    room_id = await bob.create_room(preset="public_chat")
    invited = await bob.create_room(invite=[alice.user_id])
    (await alice.act(room_id, "join")).ok()
    answer = await confirmed(alice, "POST", "/account/deactivate", {})
    assert answer == {"id_server_unbind_result": "success"}
    (await alice.get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")
    for room in (room_id, invited):
        member = (await bob.state(room, "m.room.member", alice.user_id)).ok()
        assert member == {"membership": "leave"}
    body = {"type": "m.login.password", "user": "alice", "password": PASSWORD}
    (await homeserver.stranger().post("/login", body)).refused(403, "M_USER_DEACTIVATED")
    (await homeserver.stranger().post("/register", {"username": "alice", "password": "x"})).refused(
        400, "M_USER_IN_USE"
    )


async def test_no_account_has_third_party_identifiers(alice: Client) -> None:
    assert (await alice.get("/account/3pid")).ok() == {"threepids": []}


async def test_devices(homeserver: Homeserver, alice: Client) -> None:
    other = await log_in(homeserver, "alice")
    devices = (await alice.get("/devices")).ok()["devices"]
    assert len(devices) == 2
    own = (await alice.get("/account/whoami")).ok()["device_id"]
    theirs = (await other.get("/account/whoami")).ok()["device_id"]
    (await alice.put(f"/devices/{theirs}", {"display_name": "Laptop"})).ok()
    found = (await alice.get(f"/devices/{theirs}")).ok()
    assert found["display_name"] == "Laptop"
    assert found["last_seen_ip"] == "127.0.0.1"
    (await alice.get("/devices/NOTHING")).refused(404, "M_NOT_FOUND")
    (await alice.put("/devices/NOTHING", {"display_name": "x"})).refused(404, "M_NOT_FOUND")
    (await alice.put(f"/devices/{theirs}", {"display_name": "x" * 1000})).refused(400, "M_INVALID_PARAM")
    assert await confirmed(alice, "DELETE", f"/devices/{theirs}", {}) == {}
    (await other.get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")
    await confirmed(alice, "POST", "/delete_devices", {"devices": [own, "NOTHING"]})
    (await alice.get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")


async def test_deleting_a_device_may_come_without_a_body(alice: Client) -> None:
    answer = await alice.request("DELETE", "/_matrix/client/v3/devices/NOTHING")
    assert answer.status == 401
    assert answer.json["flows"]
