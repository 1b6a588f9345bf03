"""A chat in every room version: what users do all day works the same in each of them."""

import pytest

from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import Homeserver

VERSIONS = [str(number) for number in range(1, 13)]


@pytest.fixture
def homeserver(homeserver_on_each: Homeserver) -> Homeserver:
    return homeserver_on_each


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_chat(alice: Client, bob: Client, carol: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version, preset="public_chat", invite=[bob.user_id])
    assert (await alice.state(room_id, "m.room.create")).ok()["room_version"] == version

    for client in (bob, carol):
        assert (await client.act(room_id, "join")).ok() == {"room_id": room_id}

    said = [await client.say(room_id, f"{client.user_id} says") for client in (alice, bob, carol)]
    page = (await bob.get(f"{in_room(room_id)}/messages", dir="b", limit="3")).ok()["chunk"]
    assert [event["event_id"] for event in page] == list(reversed(said))

    (await alice.set_state(room_id, "m.room.topic", {"topic": "Tea"})).ok()
    assert (await carol.state(room_id, "m.room.topic")).ok() == {"topic": "Tea"}
    (await bob.set_state(room_id, "m.room.topic", {"topic": "Beer"})).refused(403, "M_FORBIDDEN")

    redaction = (await bob.redact(room_id, said[1], reason="shh")).ok()["event_id"]
    redacted = (await alice.get(f"{in_room(room_id)}/event/{part(said[1])}")).ok()
    assert redacted["content"] == {}
    shown = (await alice.get(f"{in_room(room_id)}/event/{part(redaction)}")).ok()
    assert shown["redacts"] == shown["content"]["redacts"] == said[1]
    (await carol.redact(room_id, said[0])).refused(403, "M_FORBIDDEN")
    (await alice.redact(room_id, said[2])).ok()

    (await bob.act(room_id, "kick", user_id=carol.user_id)).refused(403, "M_FORBIDDEN")
    (await alice.act(room_id, "kick", user_id=carol.user_id)).ok()
    (await carol.send(room_id, "m.room.message", {"body": "x"})).refused(403, "M_FORBIDDEN")
    (await carol.act(room_id, "join")).ok()

    (await alice.act(room_id, "ban", user_id=carol.user_id)).ok()
    (await carol.act(room_id, "join")).refused(403, "M_FORBIDDEN")
    (await alice.act(room_id, "unban", user_id=carol.user_id)).ok()
    (await carol.act(room_id, "join")).ok()
    (await bob.act(room_id, "leave")).ok()
    joined = (await alice.get(f"{in_room(room_id)}/joined_members")).ok()["joined"]
    assert set(joined) == {alice.user_id, carol.user_id}


@pytest.mark.parametrize("version", VERSIONS)
async def test_power_can_be_given_and_creators_keep_theirs(alice: Client, bob: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version, preset="public_chat")
    (await bob.act(room_id, "join")).ok()
    levels = (await alice.state(room_id, "m.room.power_levels")).ok()
    promoted = {**levels, "users": {**levels["users"], bob.user_id: 100}}
    (await alice.set_state(room_id, "m.room.power_levels", promoted)).ok()
    (await bob.set_state(room_id, "m.room.name", {"name": "Bob's"})).ok()
    (await bob.act(room_id, "ban", user_id=alice.user_id)).refused(403, "M_FORBIDDEN")
    (await bob.set_state(room_id, "m.room.power_levels", levels)).ok()
    (await bob.set_state(room_id, "m.room.name", {"name": "x"})).refused(403, "M_FORBIDDEN")


@pytest.mark.parametrize("version", VERSIONS)
async def test_ids_have_the_form_of_their_version(alice: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version)
    event_id = await alice.say(room_id, "x")
    assert (":" in room_id) is (version != "12")
    assert (":" in event_id) is (version in ("1", "2"))
    create = (await alice.state(room_id, "m.room.create", format="event")).ok()
    if version == "12":
        assert create["event_id"][1:] == room_id[1:]
    assert create["room_id"] == room_id
