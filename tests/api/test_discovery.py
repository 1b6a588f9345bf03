"""What a client asks first. Spec: "API Versions", "Well-known URIs", "Capabilities negotiation"."""

from pathlib import Path

import pytest

from tests.api.asgi import Client
from tests.api.homeserver import Homeserver, running


async def test_versions_need_no_token(stranger: Client) -> None:
    answer = (await stranger.request("GET", "/_matrix/client/versions")).ok()
    assert answer["versions"] == ["r0.6.1", *(f"v1.{minor}" for minor in range(1, 18))]
    assert all(isinstance(there, bool) for there in answer["unstable_features"].values())


async def test_capabilities_name_every_room_version(alice: Client, stranger: Client) -> None:
    (await stranger.get("/capabilities")).refused(401, "M_MISSING_TOKEN")
    found = (await alice.get("/capabilities")).ok()["capabilities"]
    versions = found["m.room_versions"]
    assert versions["available"] == {str(number): "stable" for number in range(1, 13)}
    assert versions["default"] in versions["available"]
    assert found["m.change_password"] == {"enabled": True}
    assert found["m.set_displayname"] == {"enabled": True}
    assert found["m.get_login_token"] == {"enabled": False}
    assert found["m.3pid_changes"] == {"enabled": False}
    assert found["m.profile_fields"] == {"enabled": True}


async def test_capabilities_follow_the_configuration(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    options = {"enable_set_displayname": False, "password_config": {"enabled": False}, "default_room_version": "9"}
    async with running(database, **options) as server:
        client = Client(server.app, token=(await server.register("alice")).token)
        found = (await client.get("/capabilities")).ok()["capabilities"]
    assert found["m.set_displayname"] == {"enabled": False}
    assert found["m.profile_fields"] == {"enabled": True, "disallowed": ["displayname"]}
    assert found["m.change_password"] == {"enabled": False}
    assert found["m.room_versions"]["default"] == "9"


async def test_nothing_is_well_known_without_configuration(stranger: Client) -> None:
    for who in ("client", "server"):
        (await stranger.request("GET", f"/.well-known/matrix/{who}")).refused(404, "M_NOT_FOUND")


async def test_well_known(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    options = {
        "public_baseurl": "https://matrix.ranvier.test",
        "extra_well_known_client_content": {"org.example.more": {"a": 1}},
        "serve_server_wellknown": True,
    }
    async with running(database, **options) as server:
        client = await server.stranger().request("GET", "/.well-known/matrix/client")
        assert client.ok() == {
            "m.homeserver": {"base_url": "https://matrix.ranvier.test/"},
            "org.example.more": {"a": 1},
        }
        assert client.headers["access-control-allow-origin"] == "*"
        found = (await server.stranger().request("GET", "/.well-known/matrix/server")).ok()
        assert found == {"m.server": "ranvier.test:443"}
        await server.register("alice")
        body = {"type": "m.login.password", "user": "alice", "password": "correct horse"}
        login = (await server.stranger().post("/login", body)).ok()
        assert login["well_known"]["m.homeserver"] == {"base_url": "https://matrix.ranvier.test/"}


async def test_push_rules_are_the_servers(alice: Client, homeserver: Homeserver) -> None:
    every = (await alice.get("/pushrules/")).ok()
    assert (await alice.get("/pushrules/global/")).ok() == every["global"]
    override = {rule["rule_id"]: rule for rule in every["global"]["override"]}
    assert override[".m.rule.master"]["enabled"] is False
    mention = override[".m.rule.is_user_mention"]["conditions"][0]
    assert mention["value"] == alice.user_id


async def test_the_version_of_the_program(stranger: Client) -> None:
    assert (await stranger.request("GET", "/_synapse/admin/v1/server_version")).ok()["server_version"]


@pytest.mark.parametrize("is_public", [True, False])
async def test_the_identity_server_is_suggested(tmp_path: Path, *, is_public: bool) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    public = {"public_baseurl": "https://matrix.ranvier.test/"} if is_public else {}
    async with running(database, default_identity_server="https://id.ranvier.test", **public) as homeserver:
        found = await homeserver.stranger().request("GET", "/.well-known/matrix/client")
        if is_public:
            assert found.ok()["m.identity_server"] == {"base_url": "https://id.ranvier.test"}
        else:
            found.refused(404, "M_NOT_FOUND")
