"""Spec: client-server API, "Relationships API", "Avoiding duplicate annotations", "Querying threads in a room"."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from tests.api.asgi import Answer, Client, in_room, part
from tests.api.homeserver import Homeserver

Json = dict[str, Any]


@pytest.fixture
def homeserver(homeserver_on_each: Homeserver) -> Homeserver:
    """On both databases: the questions asked here are not simple ones."""
    return homeserver_on_each


@pytest.fixture
async def room_id(alice: Client, bob: Client) -> str:
    room_id = await alice.create_room(preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    return room_id


async def relate(
    client: Client,
    room_id: str,
    parent: str,
    rel_type: str,
    type: str = "m.room.message",
    content: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """The id of a new event that relates to `parent`."""
    relates_to = {"rel_type": rel_type, "event_id": parent}
    body = {"body": "x", **content, "m.relates_to": relates_to}
    event_id: str = (await client.send(room_id, type, body)).ok()["event_id"]
    return event_id


async def react(client: Client, room_id: str, parent: str, key: str, type: str = "m.reaction") -> Answer:
    relates_to = {"rel_type": "m.annotation", "event_id": parent, "key": key}
    return await client.send(room_id, type, {"m.relates_to": relates_to})


async def edit(client: Client, room_id: str, parent: str, text: str) -> str:
    return await relate(client, room_id, parent, "m.replace", content={"m.new_content": {"body": text}})


async def get_v1(client: Client, path: str, **query: str) -> Answer:
    return await client.request("GET", "/_matrix/client/v1" + path, query=query)


async def children(client: Client, room_id: str, parent: str, end: str = "", **query: str) -> Json:
    found: Json = (await get_v1(client, f"{in_room(room_id)}/relations/{part(parent)}{end}", **query)).ok()
    return found


async def threads(client: Client, room_id: str, **query: str) -> Json:
    found: Json = (await get_v1(client, f"{in_room(room_id)}/threads", **query)).ok()
    return found


async def ignore(client: Client, user_id: str) -> None:
    path = f"/user/{part(client.user_id)}/account_data/m.ignored_user_list"
    (await client.put(path, {"ignored_users": {user_id: {}}})).ok()


def ids(page: Json) -> list[str]:
    return [event["event_id"] for event in page["chunk"]]


async def test_children_of_an_event(alice: Client, bob: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "parent")
    thread = await relate(bob, room_id, parent, "m.thread")
    reaction = (await react(bob, room_id, parent, "👍")).ok()["event_id"]
    reference = await relate(alice, room_id, parent, "m.reference", "m.room.name.like")
    await alice.say(room_id, "unrelated")

    page = await children(alice, room_id, parent)
    assert ids(page) == [reference, reaction, thread]
    assert page.keys() == {"chunk"}
    assert all(event["room_id"] == room_id for event in page["chunk"])
    assert ids(await children(alice, room_id, parent, dir="f")) == [thread, reaction, reference]
    assert ids(await children(alice, room_id, parent, "/m.thread")) == [thread]
    assert ids(await children(alice, room_id, parent, "/m.annotation/m.reaction")) == [reaction]
    assert ids(await children(alice, room_id, parent, "/m.annotation/m.room.message")) == []
    assert ids(await children(alice, room_id, reaction)) == []


async def test_pages_of_children(alice: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "parent")
    sent = [await relate(alice, room_id, parent, "m.thread") for _ in range(5)]
    first = await children(alice, room_id, parent, limit="2")
    assert ids(first) == [sent[4], sent[3]]
    assert "prev_batch" not in first
    second = await children(alice, room_id, parent, limit="2", **{"from": first["next_batch"]})
    assert ids(second) == [sent[2], sent[1]]
    assert second["prev_batch"] == first["next_batch"]
    last = await children(alice, room_id, parent, limit="2", **{"from": second["next_batch"]})
    assert ids(last) == [sent[0]]
    assert "next_batch" not in last
    between = await children(alice, room_id, parent, to=second["next_batch"], **{"from": first["next_batch"]})
    assert ids(between) == [sent[2], sent[1]]
    back = await children(alice, room_id, parent, dir="f", **{"from": first["next_batch"]})
    assert ids(back) == [sent[3], sent[4]]
    sync = (await alice.get("/sync")).ok()["next_batch"]
    assert ids(await children(alice, room_id, parent, **{"from": sync})) == sent[::-1]


async def test_children_of_children(alice: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "0")
    chain = [parent]
    for n in range(4):
        chain.append(await relate(alice, room_id, chain[-1], "m.reference" if n else "m.thread"))
    direct = await children(alice, room_id, parent, recurse="false")
    assert (ids(direct), direct["recursion_depth"]) == ([chain[1]], 1)
    deep = await children(alice, room_id, parent, recurse="true")
    assert (ids(deep), deep["recursion_depth"]) == ([chain[3], chain[2], chain[1]], 3)
    assert ids(await children(alice, room_id, parent, "/m.reference", recurse="true")) == []
    assert ids(await children(alice, room_id, chain[1], "/m.reference", recurse="true", limit="2")) == chain[4:2:-1]


async def test_who_cannot_see_the_parent_is_told_that_there_is_none(
    alice: Client, bob: Client, carol: Client, room_id: str
) -> None:
    parent = await alice.say(room_id, "x")
    other_room = await bob.create_room()
    for client, room, event in ((carol, room_id, parent), (bob, other_room, parent), (bob, room_id, "$unknown")):
        answer = await get_v1(client, f"{in_room(room)}/relations/{part(event)}")
        answer.refused(404, "M_NOT_FOUND")
    for query in ({"dir": "x"}, {"limit": "-1"}, {"from": "nonsense"}, {"to": "x"}, {"recurse": "perhaps"}):
        answer = await get_v1(alice, f"{in_room(room_id)}/relations/{part(parent)}", **query)
        answer.refused(400, "M_INVALID_PARAM")


async def test_redacted_and_ignored_children_are_left_out(alice: Client, bob: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "parent")
    mine = await relate(alice, room_id, parent, "m.thread")
    gone = await relate(alice, room_id, parent, "m.thread")
    theirs = await relate(bob, room_id, parent, "m.thread")
    (await alice.redact(room_id, gone)).ok()
    assert ids(await children(alice, room_id, parent)) == [theirs, mine]
    await ignore(alice, bob.user_id)
    assert ids(await children(alice, room_id, parent)) == [mine]
    assert ids(await children(bob, room_id, parent)) == [theirs, mine]


async def test_who_has_left_sees_no_later_children(alice: Client, bob: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "parent")
    seen = await relate(alice, room_id, parent, "m.thread")
    (await bob.act(room_id, "leave")).ok()
    later = await relate(alice, room_id, parent, "m.thread")
    await edit(alice, room_id, parent, "secret")
    assert ids(await children(bob, room_id, parent)) == [seen]
    shown = (await bob.get(f"{in_room(room_id)}/event/{part(parent)}")).ok()["unsigned"]["m.relations"]
    assert shown.keys() == {"m.thread"}
    assert (shown["m.thread"]["count"], shown["m.thread"]["latest_event"]["event_id"]) == (1, seen)
    assert [root["event_id"] for root in (await threads(bob, room_id))["chunk"]] == [parent]
    shown = (await alice.get(f"{in_room(room_id)}/event/{part(parent)}")).ok()["unsigned"]["m.relations"]
    assert shown["m.thread"]["latest_event"]["event_id"] == later


async def test_nobody_says_the_same_twice(alice: Client, bob: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "parent")
    first = (await react(alice, room_id, parent, "👍")).ok()["event_id"]
    (await react(alice, room_id, parent, "👍")).refused(400, "M_DUPLICATE_ANNOTATION")
    (await react(alice, room_id, parent, "👎")).ok()
    (await react(bob, room_id, parent, "👍")).ok()
    (await react(alice, room_id, parent, "👍", type="org.example.verdict")).ok()
    (await alice.redact(room_id, first)).ok()
    (await react(alice, room_id, parent, "👍")).ok()


async def test_nobody_says_the_same_twice_at_the_same_time(alice: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "parent")
    answers = await asyncio.gather(*(react(alice, room_id, parent, "👍") for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 9


async def test_a_repeated_request_is_no_second_annotation(alice: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "parent")
    content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": parent, "key": "👍"}}
    first = (await alice.send(room_id, "m.reaction", content, txn_id="same")).ok()
    assert (await alice.send(room_id, "m.reaction", content, txn_id="same")).ok() == first


@pytest.mark.parametrize("rel_type", ["m.thread", "m.replace", "m.annotation", "m.reference"])
async def test_no_thread_starts_at_a_related_event(alice: Client, room_id: str, rel_type: str) -> None:
    parent = await alice.say(room_id, "parent")
    relates_to = {"rel_type": rel_type, "event_id": parent, "key": "x"}
    child = (await alice.send(room_id, "m.room.message", {"m.relates_to": relates_to})).ok()["event_id"]
    nested = {"m.relates_to": {"rel_type": "m.thread", "event_id": child}}
    (await alice.send(room_id, "m.room.message", nested)).refused(400, "M_UNKNOWN")


async def test_a_thread_may_start_at_a_reply(alice: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "parent")
    reply = {"body": "x", "m.relates_to": {"m.in_reply_to": {"event_id": parent}}}
    root = (await alice.send(room_id, "m.room.message", reply)).ok()["event_id"]
    await relate(alice, room_id, root, "m.thread")
    assert ids(await threads(alice, room_id)) == [root]


@pytest.mark.parametrize(
    "relates_to",
    [{"rel_type": "m.thread", "event_id": "a\0b"}, {"rel_type": "x\0", "event_id": "$x"},
     {"rel_type": "m.annotation", "event_id": "$x", "key": "\0"}, {"rel_type": "m.annotation", "event_id": "\0", "key": ""},
     {"rel_type": "m.thread", "event_id": "$" + "x" * 1000}, {"rel_type": "m.thread", "event_id": "$unknown"},
     {"rel_type": "m.thread"}, {"rel_type": 5, "event_id": []}, [], None, "x"],
)  # fmt: skip
async def test_a_relation_that_is_none_is_ignored(alice: Client, room_id: str, relates_to: object) -> None:
    event_id = (await alice.send(room_id, "m.room.message", {"m.relates_to": relates_to})).ok()["event_id"]
    assert (await alice.get(f"{in_room(room_id)}/event/{part(event_id)}")).ok()["content"] == {
        "m.relates_to": relates_to
    }
    assert ids(await threads(alice, room_id)) == []


async def test_names_with_nul_find_nothing(alice: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "parent")
    assert ids(await children(alice, room_id, parent, "/%00/%00")) == []
    (await get_v1(alice, f"{in_room(room_id)}/relations/%00")).refused(404, "M_NOT_FOUND")
    (await alice.redact(room_id, "\0")).refused(404, "M_NOT_FOUND")
    (await get_v1(alice, "/rooms/%00/threads")).refused(403, "M_FORBIDDEN")
    for path in ("/rooms/%00/event/x", "/rooms/%00/context/x", "/rooms/%00/messages?dir=b", "/rooms/%00/state"):
        assert (await alice.get(path)).status in (403, 404)


async def test_threads_of_a_room(alice: Client, bob: Client, room_id: str) -> None:
    roots = [await alice.say(room_id, "1"), await bob.say(room_id, "2"), await bob.say(room_id, "3")]
    for root in roots:
        await relate(bob, room_id, root, "m.thread")
    await relate(alice, room_id, roots[1], "m.thread")
    await alice.say(room_id, "no thread")

    page = await threads(alice, room_id)
    assert ids(page) == [roots[1], roots[2], roots[0]]
    assert page["chunk"][0]["unsigned"]["m.relations"]["m.thread"]["count"] == 2
    assert ids(await threads(alice, room_id, include="participated")) == [roots[1], roots[0]]
    first = await threads(alice, room_id, limit="1")
    assert ids(first) == [roots[1]]
    second = await threads(alice, room_id, limit="1", **{"from": first["next_batch"]})
    third = await threads(alice, room_id, limit="1", **{"from": second["next_batch"]})
    assert (ids(second), ids(third)) == ([roots[2]], [roots[0]])
    assert "next_batch" not in third
    mine = await threads(alice, room_id, limit="1", include="participated", **{"from": first["next_batch"]})
    assert ids(mine) == [roots[0]]


async def test_a_thread_without_answers_is_none(alice: Client, room_id: str) -> None:
    root = await alice.say(room_id, "root")
    answer = await relate(alice, room_id, root, "m.thread")
    (await alice.redact(room_id, answer)).ok()
    assert ids(await threads(alice, room_id)) == []
    assert "m.relations" not in (await alice.get(f"{in_room(room_id)}/event/{part(root)}")).ok()["unsigned"]


async def test_threads_of_ignored_users(alice: Client, bob: Client, room_id: str) -> None:
    theirs, mine = await bob.say(room_id, "bad"), await alice.say(room_id, "mine")
    await relate(alice, room_id, theirs, "m.thread")
    await relate(bob, room_id, mine, "m.thread")
    await ignore(alice, bob.user_id)
    (root,) = (await threads(alice, room_id))["chunk"]
    assert (root["event_id"], root["content"]) == (theirs, {})
    assert root["unsigned"]["m.relations"]["m.thread"]["count"] == 1
    assert len((await threads(bob, room_id))["chunk"]) == 2


async def test_threads_are_for_who_may_see_the_room(alice: Client, carol: Client, room_id: str) -> None:
    for room in (room_id, "!unknown:x"):
        (await get_v1(carol, f"{in_room(room)}/threads")).refused(403, "M_FORBIDDEN")
    for query in ({"limit": "0"}, {"limit": "x"}, {"include": "some"}, {"from": "nonsense"}):
        (await get_v1(alice, f"{in_room(room_id)}/threads", **query)).refused(400, "M_INVALID_PARAM")


async def test_relations_survive_a_page_of_everything(alice: Client, room_id: str) -> None:
    parent = await alice.say(room_id, "x")
    await edit(alice, room_id, parent, "y")
    page = (await alice.get(f"{in_room(room_id)}/messages", dir="b", limit="100")).ok()
    (shown,) = [event for event in page["chunk"] if event["event_id"] == parent]
    assert shown["unsigned"]["m.relations"]["m.replace"]["content"]["m.new_content"] == {"body": "y"}
