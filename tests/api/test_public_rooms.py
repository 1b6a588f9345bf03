"""The published directory: who is in it, searching it, paging through it."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.asgi import Answer, Client, part
from tests.api.homeserver import SERVER_NAME, Homeserver, running


def ids(page: Any) -> list[str]:
    return [room["room_id"] for room in page["chunk"]]


async def search(client: Client, **body: object) -> Any:
    return (await client.post("/publicRooms", body)).ok()


async def publish(client: Client, room_id: str, visibility: str = "public") -> Answer:
    return await client.put(f"/directory/list/room/{part(room_id)}", {"visibility": visibility})


async def test_a_published_room_is_described(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(
        visibility="public",
        room_alias_name="den",
        name="The Den",
        topic="All about dens",
        creation_content={"type": "m.space"},
        initial_state=[
            {"type": "m.room.avatar", "content": {"url": "mxc://ranvier.test/den"}},
            {"type": "m.room.guest_access", "content": {"guest_access": "can_join"}},
            {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}},
        ],
    )
    (await bob.act(room_id, "join")).ok()
    assert (await bob.get("/publicRooms")).ok() == {
        "chunk": [
            {
                "room_id": room_id,
                "num_joined_members": 2,
                "world_readable": True,
                "guest_can_join": True,
                "name": "The Den",
                "topic": "All about dens",
                "canonical_alias": f"#den:{SERVER_NAME}",
                "avatar_url": "mxc://ranvier.test/den",
                "join_rule": "public",
                "room_type": "m.space",
            }
        ],
        "total_room_count_estimate": 1,
    }


async def test_what_is_not_set_is_not_there(alice: Client) -> None:
    room_id = await alice.create_room(visibility="public", preset="private_chat")
    assert (await alice.get("/publicRooms")).ok()["chunk"] == [
        {
            "room_id": room_id,
            "num_joined_members": 1,
            "world_readable": False,
            "guest_can_join": True,
            "join_rule": "invite",
        }
    ]


async def test_the_directory_follows_the_rooms_state(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(visibility="public", name="Old")
    sent = (await alice.set_state(room_id, "m.room.name", {"name": "New\u0000 name"})).ok()
    (await alice.set_state(room_id, "m.room.topic", {"topic": "x", "m.topic": {"m.text": [{"body": "Plain"}]}})).ok()
    (room,) = (await alice.get("/publicRooms")).ok()["chunk"]
    assert (room["name"], room["topic"]) == ("New\ufffd name", "Plain")
    (await alice.redact(room_id, sent["event_id"])).ok()
    (room,) = (await alice.get("/publicRooms")).ok()["chunk"]
    assert "name" not in room
    assert ids(await search(alice, filter={"generic_search_term": "new"})) == []


@pytest.mark.parametrize(
    ("type", "content"),
    [
        ("m.room.name", {"name": 1}),
        ("m.room.topic", {"topic": ["x"]}),
        ("m.room.topic", {"topic": "x", "m.topic": {"m.text": [{"mimetype": "text/html", "body": "<b>x</b>"}]}}),
        ("m.room.avatar", {"url": "https://else.where/x.png"}),
        ("m.room.join_rules", {"join_rule": None}),
    ],
)
async def test_nonsense_is_not_shown(alice: Client, type: str, content: object) -> None:
    room_id = await alice.create_room(visibility="public", name="Den")
    await alice.set_state(room_id, type, content)
    (room,) = (await alice.get("/publicRooms")).ok()["chunk"]
    assert set(room) <= {"room_id", "num_joined_members", "world_readable", "guest_can_join", "join_rule", "name"}
    assert all(value is not None for value in room.values())


async def test_publishing_is_seen_by_everyone_and_done_by_the_powerful(
    alice: Client, bob: Client, carol: Client, stranger: Client
) -> None:
    room_id = await alice.create_room(preset="public_chat")
    path = f"/directory/list/room/{part(room_id)}"
    assert (await stranger.get(path)).ok() == {"visibility": "private"}
    assert ids((await bob.get("/publicRooms")).ok()) == []
    (await bob.act(room_id, "join")).ok()
    for client in (bob, carol):
        (await publish(client, room_id)).refused(403, "M_FORBIDDEN")
    assert (await publish(alice, room_id)).ok() == {}
    assert (await stranger.get(path)).ok() == {"visibility": "public"}
    assert ids((await carol.get("/publicRooms")).ok()) == [room_id]
    (await publish(alice, room_id, "private")).ok()
    assert ids((await carol.get("/publicRooms")).ok()) == []
    assert (await alice.put(path, {})).ok() == {}
    assert (await stranger.get(path)).ok() == {"visibility": "public"}


async def test_unknown_rooms_and_words(alice: Client, stranger: Client) -> None:
    (await stranger.get("/directory/list/room/!no:where")).refused(404, "M_NOT_FOUND")
    (await publish(alice, "!no:where")).refused(404, "M_NOT_FOUND")
    room_id = await alice.create_room()
    (await publish(alice, room_id, "hidden")).refused(400, "M_BAD_JSON")


async def test_empty_rooms_are_left_out(alice: Client) -> None:
    room_id = await alice.create_room(visibility="public")
    (await alice.act(room_id, "leave")).ok()
    assert ids((await alice.get("/publicRooms")).ok()) == []


async def test_searching(alice: Client) -> None:
    den = await alice.create_room(visibility="public", name="The DEN of Straße", topic="100% wolves")
    sea = await alice.create_room(visibility="public", room_alias_name="seaside_x")
    for term in ("den", "DEN", "STRASSE", "100%", "wolves", " den "):
        assert ids(await search(alice, filter={"generic_search_term": term})) == [den], term
    assert ids(await search(alice, filter={"generic_search_term": "side_x"})) == [sea]
    for term in ("%", "_", "nothing", "den\u0000"):
        found = ids(await search(alice, filter={"generic_search_term": term}))
        assert found == ([den] if term == "%" else [sea] if term == "_" else []), term
    for filter in ({"generic_search_term": ""}, {}, None):
        assert set(ids(await search(alice, filter=filter))) == {den, sea}


async def test_room_types(alice: Client) -> None:
    plain = await alice.create_room(visibility="public")
    space = await alice.create_room(visibility="public", creation_content={"type": "m.space"})
    odd = await alice.create_room(visibility="public", creation_content={"type": "odd"})
    for types, wanted in [
        ([None], {plain}),
        (["m.space"], {space}),
        (["m.space", None], {space, plain}),
        (["odd", "other"], {odd}),
        ([], set()),
        (None, {plain, space, odd}),
        (["\u0000"], set()),
    ]:
        assert set(ids(await search(alice, filter={"room_types": types}))) == wanted, types


async def test_pages_lead_forth_and_back(alice: Client, bob: Client) -> None:
    rooms = [await alice.create_room(visibility="public", preset="public_chat") for _ in range(5)]
    (await bob.act(rooms[2], "join")).ok()
    order = [rooms[2], *(room for room in reversed(rooms) if room != rooms[2])]
    first = (await alice.get("/publicRooms", limit="2")).ok()
    assert ids(first) == order[:2]
    assert "prev_batch" not in first
    assert first["total_room_count_estimate"] == 5
    second = (await alice.get("/publicRooms", limit="2", since=first["next_batch"])).ok()
    assert ids(second) == order[2:4]
    last = await search(alice, limit=2, since=second["next_batch"])
    assert ids(last) == order[4:]
    assert "next_batch" not in last
    back = await search(alice, limit=2, since=last["prev_batch"])
    assert ids(back) == order[2:4]
    assert ids(await search(alice, limit=2, since=back["next_batch"])) == order[4:]
    start = await search(alice, limit=2, since=back["prev_batch"])
    assert ids(start) == order[:2]
    assert "prev_batch" not in start
    assert ids((await alice.get("/publicRooms", limit="0")).ok()) == order


@pytest.mark.parametrize("query", [{"since": "nonsense"}, {"limit": "-1"}, {"limit": "x"}])
async def test_odd_pages_are_refused(alice: Client, query: dict[str, str]) -> None:
    (await alice.get("/publicRooms", **query)).refused(400, "M_INVALID_PARAM")


async def test_other_servers_and_networks(alice: Client) -> None:
    room_id = await alice.create_room(visibility="public")
    assert ids((await alice.get("/publicRooms", server=SERVER_NAME)).ok()) == [room_id]
    (await alice.get("/publicRooms", server="else.where")).refused(502, "M_UNKNOWN")
    assert ids(await search(alice, third_party_instance_id="irc")) == []
    assert ids(await search(alice, include_all_networks=True)) == [room_id]
    (await alice.post("/publicRooms", {"include_all_networks": True, "third_party_instance_id": "irc"})).refused(
        400, "M_INVALID_PARAM"
    )


async def test_strangers_need_an_open_directory(stranger: Client, tmp_path: Path) -> None:
    (await stranger.get("/publicRooms")).refused(401, "M_MISSING_TOKEN")
    (await stranger.post("/publicRooms", {})).refused(401, "M_MISSING_TOKEN")
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "open.db")}}
    async with running(database, allow_public_rooms_without_auth=True) as server:
        assert ids((await server.stranger().get("/publicRooms")).ok()) == []
        assert ids(await search(server.stranger())) == []


async def test_a_directory_can_be_switched_off(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "off.db")}}
    async with running(database, enable_room_list_search=False) as server:
        alice = await server.register("alice")
        await alice.create_room(visibility="public")
        assert (await alice.get("/publicRooms")).ok() == {"chunk": [], "total_room_count_estimate": 0}


async def test_rules_say_who_publishes(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "rules.db")}}
    rules = [{"alias": "#club-*", "action": "allow"}, {"user_id": "@bob:*", "action": "allow"}]
    async with running(database, room_list_publication_rules=rules) as server:
        alice, bob = [await server.register(name) for name in ("alice", "bob")]
        await bob.create_room(visibility="public")
        (await alice.post("/createRoom", {"visibility": "public"})).refused(403, "M_FORBIDDEN")
        plain = await alice.create_room()
        club = await alice.create_room(room_alias_name="club-x")
        (await publish(alice, plain)).refused(403, "M_FORBIDDEN")
        (await publish(alice, plain, "private")).ok()
        (await publish(alice, club)).ok()


async def test_on_each_database(homeserver_on_each: Homeserver) -> None:
    alice = await homeserver_on_each.register("alice")
    rooms = [await alice.create_room(visibility="public", name=f"100%_{number}") for number in range(3)]
    spaces = [await alice.create_room(visibility="public", creation_content={"type": "m.space"})]
    page = await search(alice, limit=2, filter={"generic_search_term": "0%_", "room_types": [None, "x"]})
    assert ids(page) == [rooms[2], rooms[1]]
    page = await search(alice, limit=2, since=page["next_batch"], filter={"generic_search_term": "0%_"})
    assert ids(page) == [rooms[0]]
    assert ids(await search(alice, filter={"room_types": ["m.space"]})) == spaces
    before = homeserver_on_each.db.counters.statements
    await search(alice)
    assert homeserver_on_each.db.counters.statements - before <= 2
