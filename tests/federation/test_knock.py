"""Knocking on rooms of other servers. Spec: server-server API, "Knocking upon a room"."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranvier.proto.errors import MatrixError
from tests.federation.town import Person, Town, town

ONE, TWO = "one.test", "two.test"


@pytest.fixture
async def place() -> AsyncIterator[Town]:
    async with town(ONE, TWO) as made:
        yield made


async def two(place: Town) -> tuple[Person, Person]:
    return await place.servers[ONE].register("alice"), await place.servers[TWO].register("bob")


async def refused(act: Any) -> MatrixError:
    with pytest.raises(MatrixError) as caught:
        await act
    return caught.value


async def door(alice: Person, version: str = "11") -> str:
    """A room on which one may knock."""
    rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    return await alice.client.create_room(
        preset="private_chat", room_version=version, initial_state=[rules], name="Club", topic="secret"
    )


@pytest.mark.parametrize("version", ["7", "8", "9", "10", "11", "12"])
async def test_a_knock_is_heard_and_answered(place: Town, version: str) -> None:
    alice, bob = await two(place)
    room_id = await door(alice, version)
    await bob.knock(room_id, ONE)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "knock"
    events = {event["type"]: event for event in (await bob.rooms("knock"))[room_id]["knock_state"]["events"]}
    assert {"m.room.create", "m.room.name", "m.room.join_rules", "m.room.member"} <= events.keys()
    assert events["m.room.member"]["content"]["membership"] == "knock"
    await alice.invite(room_id, bob)
    assert room_id in await bob.rooms("invite")
    assert room_id not in await bob.rooms("knock")
    await bob.join(room_id)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "join"


async def test_a_knock_is_taken_back(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await door(alice)
    await bob.knock(room_id, ONE)
    place.asked.clear()
    await bob.leave(room_id)
    assert place.asks(TWO) == [f"make_leave {ONE}", f"send_leave {ONE}"]
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "leave"
    assert room_id not in await bob.rooms("knock")


async def test_a_knock_is_turned_down(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await door(alice)
    await bob.knock(room_id, ONE)
    (await alice.client.post(f"/rooms/{room_id}/kick", {"user_id": bob.user_id})).ok()
    rooms = place.servers[ONE].rooms.rooms
    stored = await rooms.member(await rooms.get(room_id), bob.user_id)
    assert stored is not None
    await place.servers[TWO].handshakes.rescinded.receive(ONE, room_id, [stored.event.pdu])
    assert room_id not in await bob.rooms("knock")


async def test_where_nobody_may_knock_nobody_is_heard(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat", room_version="11")
    error = await refused(bob.knock(room_id, ONE))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")
    old = await alice.client.create_room(preset="private_chat", room_version="6")
    assert (await refused(bob.knock(old, ONE))).status == 403
    answer = place.servers[ONE].answer(TWO, "v1 make_knock", [await door(alice), bob.user_id], [("ver", "7")], None)
    error = await refused(answer)
    assert (error.status, error.errcode) == (400, "M_INCOMPATIBLE_ROOM_VERSION")


async def test_who_is_joined_or_invited_or_banned_does_not_knock(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await door(alice)
    await alice.invite(room_id, bob)
    assert (await refused(bob.knock(room_id, ONE))).status == 403
    (await alice.client.post(f"/rooms/{room_id}/ban", {"user_id": bob.user_id})).ok()
    assert (await refused(bob.knock(room_id, ONE))).status == 403


async def test_what_is_told_under_a_false_name_is_not_shown(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await door(alice)

    def forge(server: str, act: str, answer: Any) -> Any:
        for event in answer.get("knock_room_state", ()):
            if event["type"] == "m.room.name":
                event["content"] = {"name": "Bank"}
            if event["type"] == "m.room.topic":
                event["signatures"] = {}
        return answer

    place.tamper = forge
    await bob.knock(room_id, ONE)
    shown = {event["type"] for event in (await bob.rooms("knock"))[room_id]["knock_state"]["events"]}
    assert "m.room.create" in shown
    assert not {"m.room.name", "m.room.topic"} & shown


async def test_a_server_that_tells_nonsense_of_the_room_is_believed_in_nothing(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await door(alice)
    place.tamper = lambda server, act, answer: (
        {"knock_room_state": [1, None, {"type": "m.room.name"}]} if act == "send_knock" else answer
    )
    await bob.knock(room_id, ONE)
    shown = (await bob.rooms("knock"))[room_id]["knock_state"]["events"]
    assert [event["type"] for event in shown] == ["m.room.member"]
