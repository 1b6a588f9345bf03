"""Options about rooms that an operator may set."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from ranvier.config.load import ConfigError, parse
from tests.api.asgi import Client, part
from tests.api.homeserver import Homeserver, running

Start = Callable[..., AbstractAsyncContextManager[Homeserver]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """A server with options, on SQLite."""

    def started(**options: object) -> AbstractAsyncContextManager[Homeserver]:
        return running({"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}, **options)

    return started


@pytest.fixture
async def named(start: Start) -> AsyncIterator[tuple[Client, Client]]:
    """Alice and Bob, on a server where nobody has another name in a room, and invitations have none."""
    async with start(allow_per_room_profiles=False, include_profile_data_on_invite=False) as homeserver:
        alice, bob = await homeserver.register("alice"), await homeserver.register("bob")
        for client, name in ((alice, "Alice"), (bob, "Bob")):
            (await client.put(f"/profile/{part(client.user_id)}/displayname", {"displayname": name})).ok()
        yield alice, bob


async def test_power_levels_of_new_rooms_by_preset(start: Start) -> None:
    override = {
        "private_chat": {"events": {"com.example.foo": 0}, "invite": 30},
        "public_chat": None,
        "trusted_private_chat": {},
    }
    async with start(default_power_level_content_override=override) as homeserver:
        alice = await homeserver.register("alice")
        private = (await alice.state(await alice.create_room(preset="private_chat"), "m.room.power_levels")).ok()
        # Each top-level key as a whole; what the request says counts more.
        assert (private["events"], private["invite"], private["ban"]) == ({"com.example.foo": 0}, 30, 50)
        asked = await alice.create_room(preset="private_chat", power_level_content_override={"invite": 40})
        assert (await alice.state(asked, "m.room.power_levels")).ok()["invite"] == 40
        public = (await alice.state(await alice.create_room(preset="public_chat"), "m.room.power_levels")).ok()
        assert public["events"]["m.room.name"] == 50


@pytest.mark.parametrize("override", [{"private": {}}, {"private_chat": 5}])
def test_power_levels_for_what_is_no_preset(override: object) -> None:
    with pytest.raises(ConfigError, match="option default_power_level_content_override"):
        parse({"server_name": "test", "default_power_level_content_override": override})


async def test_nobody_has_another_name_in_a_room(named: tuple[Client, Client]) -> None:
    alice, _ = named
    room_id = await alice.create_room()
    other = {"membership": "join", "displayname": "Somebody else", "avatar_url": "mxc://a/b", "com.example.kept": 1}
    (await alice.set_state(room_id, "m.room.member", other, alice.user_id)).ok()
    member = (await alice.state(room_id, "m.room.member", alice.user_id)).ok()
    assert member == {"membership": "join", "displayname": "Alice", "com.example.kept": 1}


async def test_an_invitation_without_a_profile(named: tuple[Client, Client]) -> None:
    alice, bob = named
    room_id = await alice.create_room(invite=[bob.user_id])
    assert (await alice.state(room_id, "m.room.member", bob.user_id)).ok() == {"membership": "invite"}
    (await bob.post(f"/rooms/{part(room_id)}/join")).ok()
    assert (await alice.state(room_id, "m.room.member", bob.user_id)).ok()["displayname"] == "Bob"


async def test_rooms_that_no_sync_shows(start: Start, tmp_path: Path) -> None:
    async with start() as homeserver:
        alice = await homeserver.register("alice")
        hidden, shown = await alice.create_room(), await alice.create_room()
    async with start(exclude_rooms_from_sync=[hidden]) as homeserver:
        alice = alice.at(homeserver.app)
        first = (await alice.get("/sync")).ok()
        assert list(first["rooms"]["join"]) == [shown]
        await alice.say(hidden, "unheard")
        event_id = await alice.say(shown, "heard")
        later = (await alice.get("/sync", since=first["next_batch"], filter='{"room":{"not_rooms":["!x:y"]}}')).ok()
        assert list(later["rooms"]["join"]) == [shown]
        assert [event["event_id"] for event in later["rooms"]["join"][shown]["timeline"]["events"]] == [event_id]
        # Only syncs do not show it.
        assert hidden in (await alice.get("/joined_rooms")).ok()["joined_rooms"]


@pytest.mark.parametrize("without_usual", [False, True])
async def test_what_is_told_at_the_door(start: Start, without_usual: bool) -> None:
    additional = ["com.example.all", ["com.example.one", "a"]]
    option = {"disable_default_event_types": without_usual, "additional_event_types": additional}
    async with start(room_prejoin_state=option) as homeserver:
        alice, bob = await homeserver.register("alice"), await homeserver.register("bob")
        room_id = await alice.create_room(name="Tea")
        for type_ in ("com.example.all", "com.example.one"):
            for state_key in ("a", "b"):
                (await alice.set_state(room_id, type_, {"k": state_key}, state_key)).ok()
        (await alice.act(room_id, "invite", user_id=bob.user_id)).ok()
        invited = (await bob.get("/sync")).ok()["rooms"]["invite"][room_id]["invite_state"]["events"]
    told = {(event["type"], event["state_key"]) for event in invited}
    ours = {("com.example.all", "a"), ("com.example.all", "b"), ("com.example.one", "a")}
    always = {("m.room.create", ""), ("m.room.member", alice.user_id), ("m.room.member", bob.user_id)}
    usual = {("m.room.name", ""), ("m.room.join_rules", "")}
    assert told == ours | always | (set() if without_usual else usual)


@pytest.mark.parametrize("entry", [5, ["a"], ["a", "b", "c"], {"a": "b"}])
def test_what_cannot_be_told_at_the_door(entry: object) -> None:
    with pytest.raises(ConfigError, match=r"room_prejoin_state\.additional_event_types"):
        parse({"server_name": "test", "room_prejoin_state": {"additional_event_types": [entry]}})
