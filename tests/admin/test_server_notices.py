"""Server notices: the admin API, the room, and what users can do there."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.admin.admin import Admin, user
from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import Homeserver, running

SEND = "/v1/send_server_notice"
HELLO = {"msgtype": "m.text", "body": "Hello"}
SECTION = {
    "system_mxid_localpart": "notices",
    "system_mxid_display_name": "The house",
    "system_mxid_avatar_url": "mxc://ranvier.test/house",
    "room_name": "News",
    "room_avatar_url": "mxc://ranvier.test/news",
    "room_topic": "What you should know",
}
SENDER = "@notices:ranvier.test"


@asynccontextmanager
async def noticing(
    database: Mapping[str, Any], *, section: Mapping[str, object] | None = None, **options: object
) -> AsyncIterator[tuple[Homeserver, Admin]]:
    async with running(database, server_notices={**SECTION, **(section or {})}, **options) as server:
        yield server, await Admin.of(server)


async def tell(admin: Admin, client: Client, body: str = "Hello") -> str:
    notice = {"user_id": client.user_id, "content": {"msgtype": "m.text", "body": body}}
    event_id: str = (await admin.post(SEND, notice))["event_id"]
    return event_id


async def rooms(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/sync", timeout="0")).ok().get("rooms", {})
    return found


async def tags(client: Client, room_id: str) -> dict[str, Any]:
    path = f"/user/{part(client.user_id)}{in_room(room_id)}/tags"
    found: dict[str, Any] = (await client.get(path)).ok()["tags"]
    return found


async def said(client: Client, room_id: str) -> list[str]:
    page = (await client.get(f"{in_room(room_id)}/messages", dir="f", limit="100")).ok()["chunk"]
    return [event["content"]["body"] for event in page if event["type"] == "m.room.message"]


async def test_a_user_is_invited_into_one_room(db_config: Mapping[str, Any]) -> None:
    async with noticing(db_config) as (server, admin):
        alice = await server.register("alice")
        first = await tell(admin, alice, "one")
        (room_id,) = (await rooms(alice))["invite"]
        assert await tags(alice, room_id) == {"m.server_notice": {}}
        await tell(admin, alice, "two")
        assert list((await rooms(alice))["invite"]) == [room_id]

        # The invitation cannot be rejected, by whatever road.
        for answer in (
            await alice.act(room_id, "leave"),
            await alice.set_state(room_id, "m.room.member", {"membership": "leave"}, alice.user_id),
        ):
            answer.refused(403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM")
        (await alice.act(room_id, "join")).ok()
        assert await said(alice, room_id) == ["one", "two"]
        shown = (await alice.get(f"{in_room(room_id)}/event/{part(first)}")).ok()
        assert (shown["sender"], shown["type"]) == (SENDER, "m.room.message")

        # The room looks as it was said, and only the server speaks in it.
        for type, content in (
            ("m.room.name", {"name": "News"}),
            ("m.room.avatar", {"url": "mxc://ranvier.test/news"}),
            ("m.room.join_rules", {"join_rule": "invite"}),
        ):
            assert (await alice.state(room_id, type)).ok() == content
        assert (await alice.state(room_id, "m.room.topic")).ok()["topic"] == "What you should know"
        assert (await alice.state(room_id, "m.room.create")).ok()["m.federate"] is False
        sender = (await alice.state(room_id, "m.room.member", SENDER)).ok()
        assert (sender["displayname"], sender["avatar_url"]) == ("The house", "mxc://ranvier.test/house")
        (await alice.send(room_id, "m.room.message", HELLO)).refused(403, "M_FORBIDDEN")
        (await alice.set_state(room_id, "m.room.name", {"name": "Mine"})).refused(403, "M_FORBIDDEN")
        bob = await server.register("bob")
        (await alice.act(room_id, "invite", user_id=bob.user_id)).refused(403, "M_FORBIDDEN")

        # Who has left is told in a new room.
        (await alice.act(room_id, "leave")).ok()
        await tell(admin, alice, "three")
        (again,) = (await rooms(alice))["invite"]
        assert again != room_id
        assert await tags(alice, again) == {"m.server_notice": {}}


async def test_many_notices_at_once_make_one_room(db_config: Mapping[str, Any]) -> None:
    async with noticing(db_config, section={"auto_join": True}) as (server, admin):
        alice = await server.register("alice")
        await asyncio.gather(*(tell(admin, alice, str(number)) for number in range(5)))
        found = await rooms(alice)
        assert "invite" not in found
        (room_id,) = found["join"]
        assert sorted(await said(alice, room_id)) == ["0", "1", "2", "3", "4"]
        # What a room looks like is not said again and again.
        page = (await alice.get(f"{in_room(room_id)}/messages", dir="f", limit="100")).ok()["chunk"]
        state = [(event["type"], event["state_key"], event["sender"]) for event in page if "state_key" in event]
        assert len(state) == len(set(state))
        assert await tags(alice, room_id) == {"m.server_notice": {}}


async def test_a_transaction_is_one_notice(db_config: Mapping[str, Any]) -> None:
    async with noticing(db_config, section={"auto_join": True}) as (server, admin):
        alice = await server.register("alice")
        body = {"user_id": alice.user_id, "content": HELLO}
        first, second, other = await asyncio.gather(
            *(admin.put(f"{SEND}/{txn}", body) for txn in ("t%2F1", "t%2F1", "t2"))
        )
        assert first == second != other
        (room_id,) = (await rooms(alice))["join"]
        assert await said(alice, room_id) == ["Hello", "Hello"]
        # State too, of any type.
        state = {"user_id": alice.user_id, "type": "org.example.mood", "state_key": "", "content": {"mood": "fine"}}
        await admin.post(SEND, state)
        assert (await alice.state(room_id, "org.example.mood")).ok() == {"mood": "fine"}


async def test_who_cannot_be_told(db_config: Mapping[str, Any]) -> None:
    async with noticing(db_config) as (server, admin):
        alice = await server.register("alice")

        async def refused(status: int, errcode: str, **body: object) -> None:
            notice = {"user_id": alice.user_id, "content": HELLO, **body}
            (await admin.ask("POST", SEND, notice)).refused(status, errcode)
            (await admin.ask("PUT", f"{SEND}/x", notice)).refused(status, errcode)

        await refused(404, "M_NOT_FOUND", user_id="@nobody:ranvier.test")
        await refused(400, "M_INVALID_PARAM", user_id="@alice:elsewhere.test")
        await refused(400, "M_INVALID_PARAM", user_id="alice")
        await refused(400, "M_INVALID_PARAM", user_id=SENDER)
        await refused(400, "M_BAD_JSON", content="Hello")
        await refused(400, "M_INVALID_PARAM", type="m.room.redaction", content={"redacts": "$x"})
        await refused(400, "M_INVALID_PARAM", type="a\0b")
        await refused(403, "M_FORBIDDEN", type="m.room.create", state_key="")
        await refused(413, "M_TOO_LARGE", content={"body": "x" * 70_000})
        for content in ({"a": 1.5}, {"a": 1 << 60}):
            await refused(400, "M_BAD_JSON", content=content)
        (await admin.ask("POST", SEND, {"content": HELLO})).refused(400, "M_BAD_JSON")
        (await admin.ask("POST", SEND, {"user_id": alice.user_id, "content": HELLO}, client=alice)).refused(
            403, "M_FORBIDDEN"
        )
        await admin.post("/v1/deactivate/" + part(alice.user_id))
        await refused(400, "M_INVALID_PARAM")


async def test_without_the_section_there_are_none(admin: Admin) -> None:
    body = {"user_id": admin.client.user_id, "content": HELLO}
    assert "not enabled" in (await admin.ask("POST", SEND, body)).refused(400, "M_UNKNOWN")["error"]


async def test_the_name_of_the_sender_is_taken(db_config: Mapping[str, Any]) -> None:
    async with noticing(db_config, section={"system_mxid_display_name": None}) as (server, admin):
        body = {"username": "notices", "password": "correct horse", "auth": {"type": "m.login.dummy"}}
        (await server.stranger().post("/register", body)).refused(400, "M_USER_IN_USE")
        assert (await admin.get(user("notices", v=2)))["displayname"] == "Notices"


async def test_rooms_follow_the_configuration(db_config: Mapping[str, Any]) -> None:
    async with noticing(db_config) as (server, admin):
        alice = await server.register("alice")
        await tell(admin, alice)
        (room_id,) = (await rooms(alice))["invite"]
        (await alice.act(room_id, "join")).ok()
        token = admin.client.token
    section = {"system_mxid_display_name": "The new house", "room_name": "More news"}
    async with running(db_config, server_notices={**SECTION, **section}) as server:
        client = Client(server.app, token=token, user_id=admin.client.user_id)
        alice = Client(server.app, token=alice.token, user_id=alice.user_id)
        await tell(Admin(server, client), alice, "again")
        assert (await alice.state(room_id, "m.room.name")).ok() == {"name": "More news"}
        assert (await alice.state(room_id, "m.room.member", SENDER)).ok()["displayname"] == "The new house"
        assert await said(alice, room_id) == ["Hello", "again"]


@pytest.mark.parametrize("version", ["1", *sorted(set(ROOM_VERSIONS) - {"1"})])
async def test_every_room_version(homeserver_version: Homeserver, version: str) -> None:
    admin = await Admin.of(homeserver_version)
    alice = await homeserver_version.register("alice")
    await tell(admin, alice)
    (room_id,) = (await rooms(alice))["invite"]
    (await alice.act(room_id, "join")).ok()
    (await alice.send(room_id, "m.room.message", HELLO)).refused(403, "M_FORBIDDEN")
    assert await said(alice, room_id) == ["Hello"]


@pytest.fixture
async def homeserver_version(db_config: Mapping[str, Any], version: str) -> AsyncIterator[Homeserver]:
    options = {"default_room_version": version, "encryption_enabled_by_default_for_room_type": "all"}
    async with running(db_config, server_notices=SECTION, block_non_admin_invites=True, **options) as server:
        yield server


async def test_deactivated_users_and_guests(db_config: Mapping[str, Any]) -> None:
    async with noticing(db_config) as (server, admin):
        alice, guest = await server.register("alice"), await server.register("", is_guest=True)
        await tell(admin, alice)
        await tell(admin, guest)
        (room_id,) = (await rooms(guest))["invite"]
        (await guest.act(room_id, "join")).ok()
        await admin.post("/v1/deactivate/" + part(alice.user_id))
        members = {}
        for known in (await admin.get("/v1/rooms"))["rooms"]:
            for event in (await admin.get(f"/v1/rooms/{part(known['room_id'])}/state"))["state"]:
                if event["type"] == "m.room.member":
                    members[event["state_key"]] = event["content"]["membership"]
        assert members == {SENDER: "join", alice.user_id: "leave", guest.user_id: "join"}
