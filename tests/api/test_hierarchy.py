"""Spaces: the tree of their rooms, as far as one may know of it."""

import asyncio
from typing import Any

import pytest

from tests.api.asgi import Answer, Client, part
from tests.api.homeserver import SERVER_NAME, Homeserver

V1 = "/_matrix/client/v1"


async def space(client: Client, *children: str, **options: object) -> str:
    room_id = await client.create_room(
        **{"preset": "public_chat", "creation_content": {"type": "m.space"}, "room_version": "11", **options}
    )
    for number, child in enumerate(children):
        await add(client, room_id, child, order=f"{number:03}")
    return room_id


async def add(client: Client, space_id: str, child: str, **content: object) -> None:
    (await client.set_state(space_id, "m.space.child", {"via": [SERVER_NAME], **content}, child)).ok()


async def ask(client: Client, room_id: str, **query: str) -> Answer:
    return await client.request("GET", f"{V1}/rooms/{part(room_id)}/hierarchy", query=query)


async def tree(client: Client, room_id: str, **query: str) -> list[str]:
    rooms = (await ask(client, room_id, **query)).ok()["rooms"]
    return [room["room_id"] for room in rooms]


async def rooms(client: Client, number: int) -> list[str]:
    return [await client.create_room(preset="public_chat") for _ in range(number)]


async def test_rooms_are_described(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat", name="Den", room_version="11")
    root = await space(alice, room_id, name="Dens")
    top, den = (await ask(bob, root)).ok()["rooms"]
    (child,) = top.pop("children_state")
    assert child.pop("origin_server_ts") > 0
    assert child == {
        "type": "m.space.child",
        "state_key": room_id,
        "sender": alice.user_id,
        "content": {"via": [SERVER_NAME], "order": "000"},
    }
    described = {"num_joined_members": 1, "world_readable": False, "guest_can_join": False, "join_rule": "public"}
    assert top == {"room_id": root, "name": "Dens", "room_type": "m.space", "room_version": "11", **described}
    assert den == {"room_id": room_id, "name": "Den", "room_version": "11", "children_state": [], **described}


async def test_depth_first_in_the_order_of_the_children(alice: Client) -> None:
    a, b, c, d, e = await rooms(alice, 5)
    inner = await space(alice, d, e)
    root = await space(alice)
    await add(alice, root, a)
    await add(alice, root, b, order="zz")
    await add(alice, root, inner, order=" ")
    await asyncio.sleep(0.002)
    await add(alice, root, c, order="\u00e9")
    assert await tree(alice, root) == [root, inner, d, e, b, a, c]


async def test_circles_end(alice: Client) -> None:
    room_id = (await rooms(alice, 1))[0]
    inner = await space(alice, room_id)
    root = await space(alice, inner, room_id)
    await add(alice, inner, root)
    assert await tree(alice, root) == [root, inner, room_id]


async def test_what_is_no_child(alice: Client) -> None:
    plain, emptied, odd = await rooms(alice, 3)
    await add(alice, plain, odd)
    root = await space(alice, plain, emptied, odd, "!no:where")
    (await alice.set_state(root, "m.space.child", {}, emptied)).ok()
    (await alice.set_state(root, "m.space.child", {"via": "x"}, odd)).ok()
    assert await tree(alice, root) == [root, plain]


async def test_only_suggested_rooms(alice: Client) -> None:
    a, b, c = await rooms(alice, 3)
    inner = await space(alice, b)
    await add(alice, inner, c, suggested=True)
    root = await space(alice, a)
    await add(alice, root, inner, suggested=True)
    assert await tree(alice, root, suggested_only="true") == [root, inner, c]
    (top, *_) = (await ask(alice, root, suggested_only="true")).ok()["rooms"]
    assert [child["state_key"] for child in top["children_state"]] == [inner]


async def test_depth(alice: Client) -> None:
    (leaf,) = await rooms(alice, 1)
    low = await space(alice, leaf)
    middle = await space(alice, low)
    root = await space(alice, middle)
    chain = [root, middle, low, leaf]
    for depth in range(4):
        assert await tree(alice, root, max_depth=str(depth)) == chain[: depth + 1]
    assert await tree(alice, root, max_depth="1000") == chain


async def test_pages(alice: Client) -> None:
    children = await rooms(alice, 4)
    inner = await space(alice, *children[:2])
    root = await space(alice, inner, *children[2:])
    whole = [root, inner, *children]
    found: list[str] = []
    query = {"limit": "2", "max_depth": "3"}
    since: dict[str, str] = {}
    page: dict[str, Any] = {}
    for _ in range(3):
        page = (await ask(alice, root, **query, **since)).ok()
        found += [room["room_id"] for room in page["rooms"]]
        if "next_batch" in page:
            since = {"from": page["next_batch"]}
    assert found == whole
    assert "next_batch" not in page
    assert await tree(alice, root, limit="1000") == whole
    (await ask(alice, root, limit="2", **since)).refused(400, "M_INVALID_PARAM")
    (await ask(alice, root, **query, **since, suggested_only="true")).refused(400, "M_INVALID_PARAM")
    (await ask(alice, inner, **query, **since)).refused(400, "M_INVALID_PARAM")


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "-1"}, {"max_depth": "-1"}, {"from": "x"}, {"limit": "x"}])
async def test_odd_questions(alice: Client, query: dict[str, str]) -> None:
    (await ask(alice, await space(alice), **query)).refused(400, "M_INVALID_PARAM")


def join_rules(rule: str, *allowed: str) -> list[dict[str, Any]]:
    allow = [{"type": "m.room_membership", "room_id": room_id} for room_id in allowed]
    return [{"type": "m.room.join_rules", "content": {"join_rule": rule, "allow": allow}}]


async def test_only_what_one_may_know_of(alice: Client, bob: Client) -> None:
    club, other = await rooms(alice, 2)
    (await bob.act(club, "join")).ok()
    seen = [
        await alice.create_room(preset="public_chat"),
        await alice.create_room(initial_state=join_rules("knock")),
        await alice.create_room(initial_state=join_rules("knock_restricted", other)),
        await alice.create_room(initial_state=join_rules("restricted", club)),
        await alice.create_room(
            initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}]
        ),
        await alice.create_room(invite=[bob.user_id]),
    ]
    banned = await alice.create_room(preset="public_chat")
    (await alice.act(banned, "ban", user_id=bob.user_id)).ok()
    hidden = [
        await alice.create_room(),
        await alice.create_room(initial_state=join_rules("restricted", other)),
        await alice.create_room(initial_state=join_rules("knock"), room_version="6"),
        banned,
    ]
    joined = await alice.create_room(invite=[bob.user_id])
    (await bob.act(joined, "join")).ok()
    root = await space(alice, *seen, *hidden, joined)
    assert await tree(bob, root) == [root, *seen, joined]
    found = {room["room_id"]: room for room in (await ask(bob, root)).ok()["rooms"]}
    assert found[seen[3]]["allowed_room_ids"] == [club]
    assert "allowed_room_ids" not in found[seen[0]]
    assert await tree(alice, root) == [root, *seen, *hidden, joined]


async def test_the_root_has_to_be_open(alice: Client, bob: Client) -> None:
    (await ask(bob, await space(alice, preset="private_chat"))).refused(403, "M_FORBIDDEN")
    (await ask(bob, "!no:where")).refused(403, "M_FORBIDDEN")
    plain = (await rooms(alice, 1))[0]
    assert await tree(bob, plain) == [plain]


async def test_on_each_database(homeserver_on_each: Homeserver) -> None:
    alice = await homeserver_on_each.register("alice")
    children = await rooms(alice, 5)
    root = await space(alice, *children)
    assert await tree(alice, root) == [root, *children]
    before = homeserver_on_each.db.counters.statements
    await tree(alice, root)
    assert homeserver_on_each.db.counters.statements - before <= 4
