"""Rooms that everybody who gets an account is brought into (`auto_join_rooms`)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from ranvier.config.load import ConfigError, parse
from tests.admin.admin import Admin
from tests.api.asgi import Client, part
from tests.api.homeserver import OPTIONS, running

ALIAS = "#welcome:ranvier.test"


async def rooms_of(client: Client) -> list[str]:
    found: list[str] = (await client.get("/joined_rooms")).ok()["joined_rooms"]
    return found


async def test_the_first_makes_the_room_and_all_are_in_it(db_config: Mapping[str, Any]) -> None:
    async with running(db_config, auto_join_rooms=[ALIAS], autocreate_auto_join_rooms_federated=False) as server:
        alice = await server.register("alice")
        (room_id,) = await rooms_of(alice)
        assert (await alice.get(f"/directory/room/{part(ALIAS)}")).ok()["room_id"] == room_id
        assert (await alice.state(room_id, "m.room.create")).ok()["m.federate"] is False
        assert (await alice.state(room_id, "m.room.join_rules")).ok() == {"join_rule": "public"}
        everybody = await asyncio.gather(*(server.register(name) for name in ("bob", "carol", "dan")))
        for client in everybody:
            assert await rooms_of(client) == [room_id]
        # Accounts that administrators make are people's, too; bots are not.
        admin = await Admin.of(server)
        for name, kind in (("eve", None), ("robot", "bot")):
            body = {"password": "correct horse", "user_type": kind}
            assert (await admin.ask("PUT", f"/v2/users/{part(f'@{name}:ranvier.test')}", body)).status == 201
        members = (await admin.get(f"/v1/rooms/{part(room_id)}/members"))["members"]
        assert "@eve:ranvier.test" in members
        assert "@robot:ranvier.test" not in members


async def test_several_come_at_once(db_config: Mapping[str, Any]) -> None:
    async with running(db_config, auto_join_rooms=[ALIAS]) as server:
        everybody = await asyncio.gather(*(server.register(name) for name in ("alice", "bob", "carol")))
        assert len({room_id for client in everybody for room_id in await rooms_of(client)}) == 1
        assert [len(await rooms_of(client)) for client in everybody] == [1, 1, 1]


async def test_a_private_room_with_a_host(db_config: Mapping[str, Any]) -> None:
    async with running(
        db_config,
        auto_join_rooms=[ALIAS],
        autocreate_auto_join_room_preset="private_chat",
        auto_join_mxid_localpart="host",
    ) as server:
        host = await server.register("host")
        (room_id,) = await rooms_of(host)
        alice = await server.register("alice")
        assert await rooms_of(alice) == [room_id]
        create = (await alice.get(f"/rooms/{part(room_id)}/state")).ok()
        assert {event["sender"] for event in create if event["type"] == "m.room.create"} == {host.user_id}


async def test_an_account_does_not_depend_on_rooms(db_config: Mapping[str, Any]) -> None:
    aliases = ["#gone:ranvier.test", "#x:elsewhere.test"]
    async with running(
        db_config, auto_join_rooms=aliases, autocreate_auto_join_rooms=False, auto_join_rooms_for_guests=False
    ) as server:
        alice = await server.register("alice")
        assert await rooms_of(alice) == []
        await alice.create_room(preset="public_chat", room_alias_name="gone")
        assert len(await rooms_of(await server.register("bob"))) == 1
        guest = await server.register("", is_guest=True)
        assert "join" not in (await guest.get("/sync", timeout="0")).ok().get("rooms", {})


@pytest.mark.parametrize(
    "options",
    [
        {"auto_join_rooms": ["welcome"]},
        {"auto_join_rooms": [ALIAS], "autocreate_auto_join_room_preset": "private_chat"},
        {"auto_join_rooms": [ALIAS], "autocreate_auto_join_room_preset": "open"},
    ],
)
def test_mistakes_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="auto_join"):
        parse({**OPTIONS, **options})
