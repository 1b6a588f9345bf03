"""`GET /capabilities`: what it says is what the server does. Rule by rule of "Capabilities negotiation"."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.api.asgi import Client, part
from tests.api.homeserver import Homeserver, running


def server(tmp_path: Path, **options: object) -> Any:
    return running({"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}, **options)


async def shown(client: Client) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (await client.get("/capabilities")).ok()["capabilities"]
    return found


async def test_without_a_token_there_are_none(stranger: Client) -> None:
    (await stranger.get("/capabilities")).refused(401, "M_MISSING_TOKEN")


async def test_by_default(alice: Client) -> None:
    assert await shown(alice) == {
        "m.change_password": {"enabled": True},
        "m.room_versions": {"default": "10", "available": dict.fromkeys(ROOM_VERSIONS, "stable")},
        "m.set_displayname": {"enabled": True},
        "m.set_avatar_url": {"enabled": True},
        "m.profile_fields": {"enabled": True},
        "m.forget_forced_upon_leave": {"enabled": False},
        "m.3pid_changes": {"enabled": False},
        "m.get_login_token": {"enabled": False},
    }


async def test_every_available_version_can_be_had(alice: Client) -> None:
    versions = (await shown(alice))["m.room_versions"]
    for version in versions["available"]:
        room_id = await alice.create_room(room_version=version)
        assert (await alice.state(room_id, "m.room.create")).ok()["room_version"] == version
    room_id = await alice.create_room()
    assert (await alice.state(room_id, "m.room.create")).ok()["room_version"] == versions["default"]


@pytest.mark.parametrize("version", ["6", "10"])
async def test_the_default_version_is_the_configured_one(tmp_path: Path, version: str) -> None:
    async with server(tmp_path, default_room_version=version) as homeserver:
        alice = await homeserver.register("alice")
        assert (await shown(alice))["m.room_versions"]["default"] == version
        room_id = await alice.create_room()
        assert (await alice.state(room_id, "m.room.create")).ok()["room_version"] == version


@pytest.mark.parametrize(
    ("passwords", "enabled"),
    [
        ({"enabled": False}, False),
        ({"enabled": "only_for_reauth"}, True),
        ({"localdb_enabled": False}, False),
    ],
)
async def test_changing_the_password(tmp_path: Path, passwords: dict[str, object], enabled: bool) -> None:
    async with server(tmp_path, password_config=passwords) as homeserver:
        alice = await homeserver.register("alice")
        assert (await shown(alice))["m.change_password"] == {"enabled": enabled}
        answer = await alice.post("/account/password", {"new_password": "x"})
        assert answer.status == (401 if enabled else 403)


@pytest.mark.parametrize("name", ["displayname", "avatar_url"])
async def test_fixed_profile_fields(tmp_path: Path, name: str) -> None:
    async with server(tmp_path, **{f"enable_set_{name}": False}) as homeserver:
        alice = await homeserver.register("alice")
        found = await shown(alice)
        assert found["m.profile_fields"] == {"enabled": True, "disallowed": [name]}
        assert found[f"m.set_{name}"] == {"enabled": False}
        other = "avatar_url" if name == "displayname" else "displayname"
        assert found[f"m.set_{other}"] == {"enabled": True}
        path = f"/profile/{part(alice.user_id)}"
        (await alice.put(f"{path}/{name}", {name: "mxc://a/b"})).refused(403, "M_FORBIDDEN")
        (await alice.put(f"{path}/{other}", {other: "mxc://a/b"})).ok()
        (await alice.put(f"{path}/org.example.job", {"org.example.job": 1})).ok()


async def test_guests_without_a_name_of_their_own(tmp_path: Path) -> None:
    async with server(tmp_path, enable_set_displayname=False) as homeserver:
        guest = await homeserver.register("", is_guest=True)
        found = await shown(guest)
        assert found["m.profile_fields"] == {"enabled": False}
        assert found["m.set_displayname"] == {"enabled": False}


async def test_what_is_off_is_not_answered(alice: Client, homeserver: Homeserver) -> None:
    found = await shown(alice)
    assert not found["m.3pid_changes"]["enabled"]
    body = {"client_secret": "x", "sid": "1"}
    (await alice.post("/account/3pid/add", body)).refused(403, "M_FORBIDDEN")
    assert not found["m.get_login_token"]["enabled"]
    (await alice.request("POST", "/_matrix/client/v1/login/get_token", {})).refused(404, "M_UNRECOGNIZED")
