"""Application services as clients: their token, whom they act for, what is reserved for them."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.api.asgi import Client, part
from tests.api.homeserver import Homeserver, running

TOKEN = "the-token-of-the-bridge"
LOGIN = "m.login.application_service"


def registration(name: str, **more: object) -> dict[str, object]:
    """What a service's file says (YAML reads JSON)."""
    return {
        "id": name,
        "url": None,
        "as_token": f"the-token-of-the-{name}",
        "hs_token": f"the-other-token-of-the-{name}",
        "sender_localpart": f"_{name}_bot",
        "namespaces": {
            "users": [{"exclusive": True, "regex": f"@_{name}_.*"}, {"exclusive": False, "regex": "@open_.*"}],
            "aliases": [{"exclusive": True, "regex": f"#_{name}_.*"}, {"exclusive": False, "regex": "#open_.*"}],
        },
        **more,
    }


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    services = [registration("bridge"), registration("ferry", rate_limited=False)]
    paths = []
    for service in services:
        path = tmp_path / f"{service['id']}.yaml"
        path.write_bytes(orjson.dumps(service))
        paths.append(str(path))
    return paths


@pytest.fixture
async def town(db_config: Mapping[str, Any], files: list[str]) -> AsyncIterator[Homeserver]:
    async with running(db_config, app_service_config_files=files) as homeserver:
        yield homeserver


def service(town: Homeserver, name: str = "bridge") -> Client:
    return Client(town.app, token=f"the-token-of-the-{name}", user_id=f"@_{name}_bot:ranvier.test")


async def ghost(town: Homeserver, name: str = "_bridge_ann", *, of: str = "bridge") -> str:
    """A user that a service has registered."""
    made = await service(town, of).post("/register", {"type": LOGIN, "username": name, "inhibit_login": True})
    user_id: str = made.ok()["user_id"]
    assert made.json.keys() == {"user_id", "home_server"}
    return user_id


async def test_a_service_is_its_own_user(town: Homeserver) -> None:
    who = (await service(town).get("/account/whoami")).ok()
    assert who == {"user_id": "@_bridge_bot:ranvier.test", "is_guest": False}
    await service(town).create_room()


async def test_a_token_that_is_nobodys(town: Homeserver) -> None:
    stranger = Client(town.app, token="the-token-of-the-bridgf")
    (await stranger.get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")


async def test_a_service_acts_for_its_users(town: Homeserver) -> None:
    bridge = service(town)
    (await bridge.get("/account/whoami", user_id="@_bridge_ann:ranvier.test")).refused(403, "M_FORBIDDEN")
    ann = await ghost(town)
    assert (await bridge.get("/account/whoami", user_id=ann)).ok()["user_id"] == ann
    room_id = (await bridge.post(f"/createRoom?user_id={part(ann)}")).ok()["room_id"]
    members = (await bridge.get(f"/rooms/{part(room_id)}/joined_members", user_id=ann)).ok()["joined"]
    assert members.keys() == {ann}
    (await bridge.get(f"/rooms/{part(room_id)}/joined_members")).refused(403, "M_FORBIDDEN")


async def test_a_service_acts_for_nobody_else(town: Homeserver) -> None:
    alice = await town.register("alice")
    await ghost(town, "_ferry_joe", of="ferry")
    for user_id in (alice.user_id, "@_ferry_joe:ranvier.test", "@_bridge_ann:elsewhere.test", "ann", "@_bridge_\0:x"):
        (await service(town).get("/account/whoami", user_id=user_id)).refused(403, "M_FORBIDDEN")


async def test_a_users_token_acts_for_nobody_else(town: Homeserver) -> None:
    alice = await town.register("alice")
    ann = await ghost(town)
    assert (await alice.get("/account/whoami", user_id=ann)).ok()["user_id"] == alice.user_id


async def test_names_that_are_reserved(town: Homeserver) -> None:
    stranger = town.stranger()
    for name in ("open_ann", "_bridge_ann"):
        wanted = {"username": name, "password": "x", "auth": {"type": "m.login.dummy"}}
        answer = await stranger.post("/register", wanted)
        if name.startswith("open"):
            answer.ok()
        else:
            answer.refused(400, "M_INVALID_USERNAME")  # nobody may begin with an underscore


async def test_reserved_names_are_not_available(db_config: Mapping[str, Any], files: list[str]) -> None:
    options = {"allow_underscore_prefixed_registration": True, "inhibit_user_in_use_error": True}
    async with running(db_config, app_service_config_files=files, **options) as town:
        stranger = town.stranger()
        for name in ("_bridge_ann", "_bridge_bot"):
            (await stranger.get("/register/available", username=name)).refused(400, "M_EXCLUSIVE")
            wanted = {"username": name, "password": "x", "auth": {"type": "m.login.dummy"}}
            (await stranger.post("/register", wanted)).refused(400, "M_EXCLUSIVE")
        (await stranger.get("/register/available", username="_other_ann")).ok()


async def test_what_a_service_may_register(town: Homeserver) -> None:
    bridge = service(town)

    async def refused(client: Client, name: str | None, status: int, errcode: str) -> None:
        named = {} if name is None else {"username": name}
        (await client.post("/register", {"type": LOGIN, **named})).refused(status, errcode)

    await refused(bridge, "alice", 400, "M_EXCLUSIVE")
    await refused(bridge, "_ferry_joe", 400, "M_EXCLUSIVE")
    await refused(bridge, None, 400, "M_MISSING_PARAM")
    await refused(bridge, "_bridge_bot", 400, "M_USER_IN_USE")
    await refused(town.stranger(), "_bridge_ann", 401, "M_MISSING_TOKEN")
    await refused(await town.register("alice"), "_bridge_ann", 401, "M_UNKNOWN_TOKEN")
    await ghost(town)
    await refused(bridge, "_bridge_ann", 400, "M_USER_IN_USE")
    await ghost(town, "open_ann")
    user = await town.db.one("SELECT appservice_id, password_hash FROM users WHERE name = '@open_ann:ranvier.test'")
    assert user is not None
    assert tuple(user) == ("bridge", None)


async def test_registration_that_is_closed_is_open_to_services(db_config: Mapping[str, Any], files: list[str]) -> None:
    one = {"per_second": 0.001, "burst_count": 1}
    async with running(
        db_config, app_service_config_files=files, enable_registration=False, rc_registration=one
    ) as town:
        for name in ("_bridge_ann", "_bridge_ben", "_bridge_cat"):
            await ghost(town, name)


async def test_a_service_logs_its_users_in(town: Homeserver) -> None:
    assert {"type": LOGIN} in (await town.stranger().get("/login")).ok()["flows"]
    ann = await ghost(town)
    alice = await town.register("alice")

    def wanted(user: str) -> dict[str, object]:
        return {"type": LOGIN, "identifier": {"type": "m.id.user", "user": user}, "device_id": "BRIDGE"}

    for user in (ann, "_bridge_ann"):
        login = (await service(town).post("/login", wanted(user))).ok()
        assert (login["user_id"], login["device_id"]) == (ann, "BRIDGE")
        assert (await Client(town.app, token=login["access_token"]).get("/account/whoami")).ok()["user_id"] == ann
    (await service(town).post("/login", wanted(alice.user_id))).refused(403, "M_EXCLUSIVE")
    (await service(town).post("/login", wanted("_bridge_ben"))).refused(403, "M_FORBIDDEN")
    (await town.stranger().post("/login", wanted(ann))).refused(401, "M_MISSING_TOKEN")
    (await alice.post("/login", wanted(ann))).refused(401, "M_UNKNOWN_TOKEN")


async def test_a_service_acts_for_a_device(town: Homeserver) -> None:
    bridge, ann = service(town), await ghost(town)
    (await bridge.get("/account/whoami", user_id=ann, device_id="PHONE")).refused(400, "M_UNKNOWN_DEVICE")
    login = {"type": LOGIN, "identifier": {"type": "m.id.user", "user": ann}, "device_id": "PHONE"}
    (await bridge.post("/login", login)).ok()
    for name in ("device_id", "org.matrix.msc3202.device_id"):
        assert (await bridge.get("/account/whoami", user_id=ann, **{name: "PHONE"})).ok()["device_id"] == "PHONE"
    # Of the service's own user, and not of Ann:
    (await bridge.get("/account/whoami", device_id="PHONE")).refused(400, "M_UNKNOWN_DEVICE")
    deleted = await bridge.request("DELETE", f"/_matrix/client/v3/devices/PHONE?user_id={part(ann)}", {})
    deleted.ok()
    (await bridge.get("/account/whoami", user_id=ann, device_id="PHONE")).refused(400, "M_UNKNOWN_DEVICE")


async def test_aliases_that_are_reserved(town: Homeserver) -> None:
    alice, bridge = await town.register("alice"), service(town)
    room_id = await alice.create_room(preset="public_chat")
    (await bridge.post(f"/join/{part(room_id)}")).ok()

    def at(name: str) -> str:
        return f"/directory/room/{part(f'#{name}:ranvier.test')}"

    async def delete(client: Client, name: str) -> Any:
        return await client.request("DELETE", f"/_matrix/client/v3{at(name)}")

    (await alice.put(at("_bridge_x"), {"room_id": room_id})).refused(400, "M_EXCLUSIVE")
    (await alice.post("/createRoom", {"room_alias_name": "_bridge_x"})).refused(400, "M_EXCLUSIVE")
    (await service(town, "ferry").put(at("_bridge_x"), {"room_id": room_id})).refused(400, "M_EXCLUSIVE")
    (await bridge.put(at("elsewhere"), {"room_id": room_id})).refused(400, "M_EXCLUSIVE")
    (await bridge.put(at("_bridge_x"), {"room_id": room_id})).ok()
    (await bridge.put(at("open_x"), {"room_id": room_id})).ok()
    (await alice.put(at("open_y"), {"room_id": room_id})).ok()
    (await bridge.post("/createRoom", {"room_alias_name": "_bridge_y"})).ok()
    (await delete(alice, "_bridge_x")).refused(400, "M_EXCLUSIVE")
    (await delete(alice, "open_x")).ok()
    (await delete(bridge, "_bridge_x")).ok()


async def test_who_is_not_limited(db_config: Mapping[str, Any], files: list[str]) -> None:
    slow = {"per_second": 0.001, "burst_count": 3}
    async with running(db_config, app_service_config_files=files, rc_message=slow) as town:

        async def said(client: Client, query: str = "") -> int:
            """How many of six messages are let through."""
            room_id = (await client.post(f"/createRoom{query}")).ok()["room_id"]
            path = f"/rooms/{part(room_id)}/send/m.room.message"
            body = {"msgtype": "m.text", "body": "x"}
            answers = [await client.put(f"{path}/{number}{query}", body) for number in range(6)]
            return sum(answer.status == 200 for answer in answers)

        ann, joe = await ghost(town), await ghost(town, "_ferry_joe", of="ferry")
        assert await said(service(town)) == 6
        assert await said(service(town), f"?user_id={part(ann)}") < 6
        assert await said(service(town, "ferry"), f"?user_id={part(joe)}") == 6
        assert await said(await town.register("alice")) < 6


async def test_what_it_costs(town: Homeserver) -> None:
    """Neither users nor services cost a statement once they are known."""
    alice, bridge, ann = await town.register("alice"), service(town), await ghost(town)
    for client, query in ((alice, {}), (bridge, {}), (bridge, {"user_id": ann})):
        (await client.get("/account/whoami", **query)).ok()
        before = town.db.counters.statements
        (await client.get("/account/whoami", **query)).ok()
        assert town.db.counters.statements == before


async def test_a_deactivated_user_is_no_longer_to_be_had(town: Homeserver) -> None:
    bridge, ann = service(town), await ghost(town)
    (await bridge.get("/account/whoami", user_id=ann)).ok()
    (await bridge.post(f"/account/deactivate?user_id={part(ann)}")).ok()
    (await bridge.get("/account/whoami", user_id=ann)).refused(403, "M_USER_DEACTIVATED")
    login = {"type": LOGIN, "identifier": {"type": "m.id.user", "user": ann}}
    (await bridge.post("/login", login)).refused(403, "M_USER_DEACTIVATED")


async def test_a_second_start_finds_the_services_user(db_config: Mapping[str, Any], files: list[str]) -> None:
    for _ in range(2):
        async with running(db_config, app_service_config_files=files) as town:
            (await service(town).get("/account/whoami")).ok()


@pytest.mark.parametrize("tracked", [True, False])
async def test_from_where_services_act(db_config: Mapping[str, Any], files: list[str], tracked: bool) -> None:
    options = {"app_service_config_files": files, "track_appservice_user_ips": tracked}
    counting = {"limit_usage_by_mau": True, "max_mau_value": 10}
    async with running(db_config, **options, **counting) as town:
        made = await service(town).post("/register", {"type": LOGIN, "username": "_bridge_ann", "device_id": "BRIDGE"})
        user_id = made.ok()["user_id"]
        acting = f"user_id={part(user_id)}&device_id=BRIDGE"
        (await service(town).get(f"/sync?{acting}")).ok()
        device = (await service(town).get(f"/devices/BRIDGE?{acting}")).ok()
        assert ("last_seen_ip" in device) == tracked
        monthly = town.server.users.monthly
        assert monthly is not None
        assert monthly.by_service() == ({"native": 0, "bridge": 1} if tracked else {})
