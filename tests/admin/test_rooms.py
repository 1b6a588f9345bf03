"""`/_synapse/admin/v1/rooms`: the list of rooms, single rooms, and what is in them."""

from typing import Any

import pytest

from tests.admin.admin import Admin
from tests.api.asgi import Client, in_room, part


def room(room_id: str) -> str:
    return f"/v1/rooms/{part(room_id)}"


async def names(admin: Admin, **query: str) -> list[str | None]:
    return [found["name"] for found in (await admin.get("/v1/rooms", query))["rooms"]]


@pytest.fixture
async def alice(admin: Admin) -> Client:
    return await admin.server.register("alice")


@pytest.fixture
async def bob(admin: Admin) -> Client:
    return await admin.server.register("bob")


async def test_a_room_in_the_list(admin: Admin, alice: Client, bob: Client) -> None:
    assert await admin.get("/v1/rooms") == {"rooms": [], "offset": 0, "total_rooms": 0}
    room_id = await alice.create_room(
        name="Kitchen",
        topic="Soup",
        preset="public_chat",
        room_alias_name="kitchen",
        visibility="public",
        initial_state=[{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}],
    )
    (await bob.act(room_id, "join")).ok()
    listed = await admin.get("/v1/rooms")
    state = len((await alice.get(f"{in_room(room_id)}/state")).ok())
    shown = {
        "room_id": room_id,
        "name": "Kitchen",
        "canonical_alias": "#kitchen:ranvier.test",
        "joined_members": 2,
        "joined_local_members": 2,
        "version": "10",
        "creator": alice.user_id,
        "encryption": "m.megolm.v1.aes-sha2",
        "federatable": True,
        "public": True,
        "join_rules": "public",
        "guest_access": "forbidden",
        "history_visibility": "shared",
        "state_events": state,
        "room_type": None,
    }
    assert listed == {"rooms": [shown], "offset": 0, "total_rooms": 1}
    assert await admin.get(room(room_id)) == shown | {
        "topic": "Soup",
        "avatar": None,
        "joined_local_devices": 2,
        "forgotten": False,
        "tombstoned": False,
        "replacement_room": None,
    }
    new_id = (await alice.post(f"{in_room(room_id)}/upgrade", {"new_version": "11"})).ok()["replacement_room"]
    details = await admin.get(room(room_id))
    assert (details["tombstoned"], details["replacement_room"]) == (True, new_id)
    for client in (alice, bob):
        await client.act(room_id, "leave")
        (await client.post(f"{in_room(room_id)}/forget")).ok()
    assert (await admin.get(room(room_id)))["forgotten"] is True


async def test_order_paging_and_filters(admin: Admin, alice: Client, bob: Client) -> None:
    wanted = [("b", "public_chat"), ("A room", "private_chat"), ("c", "public_chat")]
    ids = [await alice.create_room(name=name, preset=preset) for name, preset in wanted]
    nameless = await alice.create_room()
    (await bob.act(ids[2], "join")).ok()
    assert [name for name in await names(admin) if name is not None] in (["A room", "b", "c"], ["b", "c", "A room"])
    assert (await names(admin))[-1] is None
    assert (await names(admin, order_by="joined_members"))[0] == "c"
    assert (await names(admin, order_by="joined_members", dir="b"))[-1] == "c"
    for order in (
        "canonical_alias", "joined_local_members", "version", "creator", "encryption", "federatable", "public",
        "join_rules", "guest_access", "history_visibility", "state_events", "alphabetical", "size",
    ):  # fmt: skip
        assert len(await names(admin, order_by=order)) == 4
    first = await admin.get("/v1/rooms", {"limit": "3"})
    assert (len(first["rooms"]), first["next_batch"], first["total_rooms"]) == (3, 3, 4)
    rest = await admin.get("/v1/rooms", {"limit": "3", "from": "3"})
    assert (len(rest["rooms"]), rest["offset"], rest["prev_batch"], "next_batch" in rest) == (1, 3, 0, False)
    assert {one["room_id"] for one in first["rooms"] + rest["rooms"]} == {*ids, nameless}
    assert await names(admin, search_term="ROOM") == ["A room"]
    assert await names(admin, search_term=ids[0]) == ["b"]
    assert await names(admin, search_term="nothing of the kind") == []
    (await alice.act(ids[0], "leave")).ok()
    assert await names(admin, empty_rooms="true") == ["b"]
    assert len(await names(admin, empty_rooms="false")) == 3
    (await alice.put(f"/directory/list/room/{part(ids[2])}", {"visibility": "public"})).ok()
    assert await names(admin, public_rooms="true") == ["c"]
    (await admin.ask("GET", "/v1/rooms", search_term="")).refused(400, "M_INVALID_PARAM")
    (await admin.ask("GET", "/v1/rooms", order_by="colour")).refused(400, "M_INVALID_PARAM")


async def test_what_is_in_a_room_that_the_admin_is_not_in(admin: Admin, alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(name="Secret", preset="private_chat")
    first = await alice.say(room_id, "one")
    last = await alice.say(room_id, "two")
    assert await admin.get(f"{room(room_id)}/members") == {"members": [alice.user_id], "total": 1}
    state = (await admin.get(f"{room(room_id)}/state"))["state"]
    theirs = (await alice.get(f"{in_room(room_id)}/state")).ok()
    assert {event["event_id"] for event in state} == {event["event_id"] for event in theirs}
    (named,) = (await admin.get(f"{room(room_id)}/state", {"type": "m.room.name"}))["state"]
    assert named["content"] == {"name": "Secret"}
    page = await admin.get(f"{room(room_id)}/messages", {"dir": "b", "limit": "2"})
    assert [event["event_id"] for event in page["chunk"]] == [last, first]
    forwards = await admin.get(f"{room(room_id)}/messages", {"from": page["end"], "limit": "1"})
    assert [event["event_id"] for event in forwards["chunk"]] == [first]
    around = await admin.get(f"{room(room_id)}/context/{part(first)}", {"limit": "2"})
    assert (around["event"]["event_id"], around["events_after"][0]["event_id"]) == (first, last)
    found = await admin.get(f"{room(room_id)}/timestamp_to_event", {"ts": str(2**60), "dir": "b"})
    assert found["event_id"] == last
    for path in ("", "/members", "/state", "/messages", "/context/$x", "/timestamp_to_event?ts=1"):
        (await admin.ask("GET", f"/v1/rooms/!none:ranvier.test{path}")).refused(404, "M_NOT_FOUND")


async def test_a_space_is_seen_whole(admin: Admin, alice: Client) -> None:
    space = await alice.create_room(name="Space", preset="private_chat", creation_content={"type": "m.space"})
    child = await alice.create_room(name="Child", preset="private_chat")
    (await alice.set_state(space, "m.space.child", {"via": ["ranvier.test"]}, child)).ok()
    tree = await admin.get(f"{room(space)}/hierarchy")
    assert [found["room_id"] for found in tree["rooms"]] == [space, child]
    assert [found["room_id"] for found in (await admin.get(f"{room(space)}/hierarchy?max_depth=0"))["rooms"]] == [space]


async def test_blocked_rooms_let_nobody_in(admin: Admin, alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    path = f"{room(room_id)}/block"
    assert await admin.get(path) == {"block": False}
    assert await admin.put(path, {"block": True}) == {"block": True}
    assert await admin.get(path) == {"block": True, "user_id": admin.client.user_id}
    (await bob.act(room_id, "join")).refused(403, "M_FORBIDDEN")
    (await bob.post(f"/knock/{part(room_id)}")).refused(403, "M_FORBIDDEN")
    await alice.say(room_id, "Who is there stays there")
    # A room that nobody here has heard of yet can be blocked, too.
    unknown = f"{room('!unknown:elsewhere.test')}/block"
    assert await admin.put(unknown, {"block": True}) == {"block": True}
    (await bob.post("/join/!unknown:elsewhere.test")).refused(403, "M_FORBIDDEN")
    assert await admin.put(path, {"block": False}) == {"block": False}
    assert await admin.get(path) == {"block": False}
    (await bob.act(room_id, "join")).ok()
    (await admin.ask("PUT", path, {})).refused(400, "M_BAD_JSON")
    (await admin.ask("PUT", "/v1/rooms/nonsense/block", {"block": True})).refused(400, "M_INVALID_PARAM")


async def levels(client: Client, room_id: str) -> Any:
    return (await client.state(room_id, "m.room.power_levels")).ok()["users"]


@pytest.mark.parametrize("version", ["10", "12"])
async def test_power_can_be_given(admin: Admin, alice: Client, bob: Client, version: str) -> None:
    room_id = await alice.create_room(preset="private_chat", room_version=version)
    path = f"{room(room_id)}/make_room_admin"
    assert await admin.post(path, {"user_id": bob.user_id}) == {}
    assert (await levels(alice, room_id))[bob.user_id] == 100
    (await bob.act(room_id, "join")).ok()
    # Whoever asks, if nobody else is named; and once more changes nothing.
    for _ in range(2):
        assert await admin.post(path) == {}
    assert (await levels(alice, room_id))[admin.client.user_id] == 100
    (await admin.client.act(room_id, "join")).ok()
    for client in (alice, bob, admin.client):
        (await client.act(room_id, "leave")).ok()
    (await admin.ask("POST", path, {"user_id": bob.user_id})).refused(400, "M_UNKNOWN")
    (await admin.ask("POST", f"{room('!none:x')}/make_room_admin", {})).refused(404, "M_NOT_FOUND")


async def test_users_are_let_in(admin: Admin, alice: Client, bob: Client) -> None:
    public = await alice.create_room(preset="public_chat", room_alias_name="open")
    assert await admin.post(f"/v1/join/{part('#open:ranvier.test')}", {"user_id": bob.user_id}) == {"room_id": public}
    assert bob.user_id in (await admin.get(f"{room(public)}/members"))["members"]
    private = await alice.create_room(preset="private_chat", invite=[admin.client.user_id])
    wish = {"user_id": bob.user_id}
    (await admin.ask("POST", f"/v1/join/{part(private)}", wish)).refused(403, "M_FORBIDDEN")
    (await admin.client.act(private, "join")).ok()
    assert await admin.post(f"/v1/join/{part(private)}", wish) == {"room_id": private}
    (await admin.ask("POST", f"/v1/join/{part(public)}", {"user_id": "@x:elsewhere"})).refused(400, "M_INVALID_PARAM")
    (await admin.ask("POST", f"/v1/join/{part(public)}", {"user_id": "@no:ranvier.test"})).refused(404, "M_NOT_FOUND")


async def test_ends_of_a_room(admin: Admin, alice: Client) -> None:
    room_id = await alice.create_room()
    event_id = await alice.say(room_id, "the last word")
    path = f"{room(room_id)}/forward_extremities"
    found = await admin.get(path)
    assert found["count"] == 1
    assert found["results"][0]["event_id"] == event_id
    assert (await admin.delete(path)) == {"deleted": 0}
