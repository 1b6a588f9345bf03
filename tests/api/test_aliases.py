"""Room aliases: made, looked up, listed, removed."""

from pathlib import Path

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import SERVER_NAME, Homeserver, running


def alias(name: str) -> str:
    return f"#{name}:{SERVER_NAME}"


def at(name: str) -> str:
    return f"/directory/room/{part(name)}"


@pytest.fixture
async def room_id(alice: Client) -> str:
    return await alice.create_room(preset="public_chat")


async def test_an_alias_leads_to_its_room(alice: Client, bob: Client, stranger: Client, room_id: str) -> None:
    (await stranger.get(at(alias("den")))).refused(404, "M_NOT_FOUND")
    assert (await alice.put(at(alias("den")), {"room_id": room_id})).ok() == {}
    assert (await stranger.get(at(alias("den")))).ok() == {"room_id": room_id, "servers": [SERVER_NAME]}
    assert (await bob.post(f"/join/{part(alias('den'))}")).ok() == {"room_id": room_id}


async def test_an_alias_is_taken_once(alice: Client, room_id: str) -> None:
    other = await alice.create_room(room_alias_name="den")
    (await alice.put(at(alias("den")), {"room_id": room_id})).refused(409, "M_UNKNOWN")
    assert (await alice.get(at(alias("den")))).ok()["room_id"] == other


@pytest.mark.parametrize("name", ["den", "#den", f"#:{SERVER_NAME}", "#den:else.where", f"!den:{SERVER_NAME}"])
async def test_only_local_aliases_are_made(alice: Client, room_id: str, name: str) -> None:
    (await alice.put(at(name), {"room_id": room_id})).refused(400, "M_INVALID_PARAM")


async def test_who_asks_for_no_alias_is_told(stranger: Client) -> None:
    (await stranger.get(at("nonsense"))).refused(400, "M_INVALID_PARAM")


async def test_only_members_name_a_room(alice: Client, bob: Client, room_id: str) -> None:
    (await bob.put(at(alias("den")), {"room_id": room_id})).refused(403, "M_FORBIDDEN")
    (await bob.put(at(alias("den")), {"room_id": "!no:where"})).refused(403, "M_FORBIDDEN")
    (await bob.put(at(alias("den")), {"room_id": "nonsense"})).refused(400, "M_INVALID_PARAM")
    (await bob.put(at(alias("den")), {})).refused(400, "M_BAD_JSON")
    (await bob.act(room_id, "join")).ok()
    (await bob.put(at(alias("den")), {"room_id": room_id})).ok()


async def test_an_alias_goes_by_its_maker_or_by_power(alice: Client, bob: Client, carol: Client, room_id: str) -> None:
    for client in (bob, carol):
        (await client.act(room_id, "join")).ok()
    for name in ("one", "two"):
        (await bob.put(at(alias(name)), {"room_id": room_id})).ok()
    (await carol.request("DELETE", "/_matrix/client/v3" + at(alias("one")))).refused(403, "M_FORBIDDEN")
    assert (await bob.request("DELETE", "/_matrix/client/v3" + at(alias("one")))).ok() == {}
    assert (await alice.request("DELETE", "/_matrix/client/v3" + at(alias("two")))).ok() == {}
    (await alice.get(at(alias("one")))).refused(404, "M_NOT_FOUND")
    (await alice.request("DELETE", "/_matrix/client/v3" + at(alias("one")))).refused(404, "M_NOT_FOUND")


async def test_a_removed_alias_is_no_canonical_one(alice: Client, bob: Client, room_id: str) -> None:
    for name in ("one", "two", "three"):
        (await alice.put(at(alias(name)), {"room_id": room_id})).ok()
    content = {"alias": alias("one"), "alt_aliases": [alias("two"), alias("three")]}
    (await alice.set_state(room_id, "m.room.canonical_alias", content)).ok()
    (await alice.request("DELETE", "/_matrix/client/v3" + at(alias("one")))).ok()
    (await alice.request("DELETE", "/_matrix/client/v3" + at(alias("three")))).ok()
    assert (await alice.state(room_id, "m.room.canonical_alias")).ok() == {"alt_aliases": [alias("two")]}


async def test_who_may_not_change_the_canonical_alias_may_still_remove_their_own(
    alice: Client, bob: Client, room_id: str
) -> None:
    (await bob.act(room_id, "join")).ok()
    (await bob.put(at(alias("den")), {"room_id": room_id})).ok()
    (await alice.set_state(room_id, "m.room.canonical_alias", {"alias": alias("den")})).ok()
    (await bob.request("DELETE", "/_matrix/client/v3" + at(alias("den")))).ok()
    assert (await alice.state(room_id, "m.room.canonical_alias")).ok() == {"alias": alias("den")}


async def test_a_canonical_alias_leads_to_its_room(alice: Client, room_id: str) -> None:
    await alice.create_room(room_alias_name="other")
    for content in ({"alias": alias("other")}, {"alt_aliases": [alias("none")]}):
        (await alice.set_state(room_id, "m.room.canonical_alias", content)).refused(400, "M_BAD_ALIAS")
    (await alice.set_state(room_id, "m.room.canonical_alias", {"alias": "nonsense"})).refused(400, "M_INVALID_PARAM")


async def test_members_see_the_aliases(alice: Client, bob: Client, room_id: str) -> None:
    path = f"{in_room(room_id)}/aliases"
    assert (await alice.get(path)).ok() == {"aliases": []}
    for name in ("two", "one"):
        (await alice.put(at(alias(name)), {"room_id": room_id})).ok()
    assert (await alice.get(path)).ok() == {"aliases": [alias("one"), alias("two")]}
    (await bob.get(path)).refused(403, "M_FORBIDDEN")
    (await bob.act(room_id, "join")).ok()
    assert len((await bob.get(path)).ok()["aliases"]) == 2
    (await bob.act(room_id, "leave")).ok()
    (await bob.get(path)).refused(403, "M_FORBIDDEN")
    (await alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "world_readable"})).ok()
    assert len((await bob.get(path)).ok()["aliases"]) == 2
    (await bob.get("/rooms/!no:where/aliases")).refused(403, "M_FORBIDDEN")


async def test_aliases_outlive_a_restart(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database) as server:
        alice = await server.register("alice")
        room_id = await alice.create_room()
        (await alice.put(at(alias("den")), {"room_id": room_id})).ok()
    async with running(database) as server:
        assert (await server.stranger().get(at(alias("den")))).ok()["room_id"] == room_id


async def test_rules_say_who_makes_aliases(tmp_path: Path) -> None:
    rules = [
        {"user_id": "@bob:*", "action": "deny"},
        {"alias": "#club-*", "action": "allow"},
    ]
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, alias_creation_rules=rules) as server:
        alice, bob = [await server.register(name) for name in ("alice", "bob")]
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
        (await bob.put(at(alias("club-x")), {"room_id": room_id})).refused(403, "M_FORBIDDEN")
        (await alice.put(at(alias("den")), {"room_id": room_id})).refused(403, "M_FORBIDDEN")
        (await alice.put(at(alias("club-x")), {"room_id": room_id})).ok()
        (await alice.post("/createRoom", {"room_alias_name": "den"})).refused(403, "M_FORBIDDEN")
        await alice.create_room(room_alias_name="club-y")


async def test_naming_may_be_open_to_those_outside(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, require_membership_for_aliases=False) as server:
        alice, bob = [await server.register(name) for name in ("alice", "bob")]
        room_id = await alice.create_room()
        (await bob.put(at(alias("den")), {"room_id": room_id})).ok()
        (await bob.put(at(alias("lost")), {"room_id": "!no:where"})).refused(404, "M_NOT_FOUND")


async def test_on_each_database(homeserver_on_each: Homeserver) -> None:
    alice = await homeserver_on_each.register("alice")
    room_id = await alice.create_room()
    (await alice.put(at(alias("den")), {"room_id": room_id})).ok()
    (await alice.put(at(alias("den")), {"room_id": room_id})).refused(409, "M_UNKNOWN")
    assert (await alice.get(f"{in_room(room_id)}/aliases")).ok() == {"aliases": [alias("den")]}
    (await alice.request("DELETE", "/_matrix/client/v3" + at(alias("den")))).ok()
    assert (await alice.get(f"{in_room(room_id)}/aliases")).ok() == {"aliases": []}
