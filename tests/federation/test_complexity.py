"""`limit_remote_rooms`: rooms elsewhere that would be too much for this server."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from ranvier.config.limit_sections import TOO_COMPLEX
from ranvier.proto.errors import MatrixError
from tests.federation.town import Person, Town, town

ONE, TWO = "one.test", "two.test"
LIMIT = {"enabled": True, "complexity": 0.03}
"""15 entries."""


async def place_with(db_config: Mapping[str, Any], **options: object) -> AsyncIterator[Town]:
    in_memory = {"name": "sqlite3", "args": {"database": ":memory:"}}
    async with town(ONE, TWO, databases=[in_memory, db_config], admin_contact="mailto:a@one.test", **options) as made:
        yield made


@pytest.fixture
async def place(db_config: Mapping[str, Any]) -> AsyncIterator[Town]:
    async for made in place_with(db_config, limit_remote_rooms=LIMIT):
        yield made


async def people(place: Town) -> tuple[Person, Person]:
    return await place.servers[ONE].register("alice"), await place.servers[TWO].register("bob")


async def room(alice: Person, entries: int, **options: object) -> str:
    state = [{"type": "test", "state_key": str(number), "content": {}} for number in range(entries)]
    return await alice.client.create_room(**{"preset": "public_chat", "initial_state": state, **options})


async def refused(person: Person, room_id: str) -> MatrixError:
    with pytest.raises(MatrixError) as caught:
        await person.join(room_id, ONE)
    assert (caught.value.status, caught.value.errcode) == (400, "M_RESOURCE_LIMIT_EXCEEDED")
    assert room_id not in await person.rooms("join")
    return caught.value


async def test_a_small_room_is_joined_and_a_large_one_is_not_even_asked_to(place: Town) -> None:
    alice, bob = await people(place)
    small, large = await room(alice, 1), await room(alice, 30)
    await bob.join(small, ONE)
    assert place.asks(TWO) == [f"rooms {ONE}", f"make_join {ONE}", f"send_join {ONE}"]
    place.asked.clear()
    error = await refused(bob, large)
    assert (error.error, dict(error.extra)) == (TOO_COMPLEX, {"admin_contact": "mailto:a@one.test"})
    assert place.asks(TWO) == [f"rooms {ONE}"]


@pytest.mark.parametrize("answer", [None, {}, {"v1": "1"}, {"v1": -1}, {"v1": True}, [], {"v1": float("inf")}])
async def test_where_nobody_says_it_the_room_is_left_again(place: Town, answer: object) -> None:
    alice, bob = await people(place)
    small, large = await room(alice, 1), await room(alice, 30)
    place.tamper = lambda server, act, told: answer if act == "rooms" else told
    await bob.join(small, ONE)
    assert small in await bob.rooms("join")
    await refused(bob, large)
    assert await place.servers[TWO].membership(large, bob.user_id) == "leave"


async def test_a_room_that_is_here_already_may_be_joined_by_others(place: Town) -> None:
    alice, bob = await people(place)
    ben = await place.servers[TWO].register("ben")
    room_id = await room(alice, 1)
    await bob.join(room_id, ONE)
    for number in range(30):
        await bob.client.set_state(room_id, "test", {}, str(number))
    place.asked.clear()
    await ben.join(room_id, ONE)
    assert place.asks(TWO) == []


@pytest.mark.parametrize("exempt", [True, False])
async def test_administrators(db_config: Mapping[str, Any], exempt: bool) -> None:
    limit = {**LIMIT, "admins_can_join": exempt, "complexity_error": "Too large for us"}
    async for place in place_with(db_config, limit_remote_rooms=limit):
        alice, bob = await people(place)
        bob.requester = replace(bob.requester, is_admin=True)
        room_id = await room(alice, 30)
        if exempt:
            await bob.join(room_id, ONE)
            assert place.asks(TWO)[0] == f"make_join {ONE}"
        else:
            assert (await refused(bob, room_id)).error == "Too large for us"


async def test_without_the_option_nobody_is_asked(db_config: Mapping[str, Any]) -> None:
    async for place in place_with(db_config):
        alice, bob = await people(place)
        await bob.join(await room(alice, 30), ONE)
        assert place.asks(TWO)[0] == f"make_join {ONE}"


async def ask(place: Town, room_id: str, origin: str = TWO) -> Any:
    return await place.servers[ONE].answer(origin, "unstable rooms", [room_id, "complexity"], [], None)


async def unknown(place: Town, room_id: str, status: int = 404) -> None:
    with pytest.raises(MatrixError) as caught:
        await ask(place, room_id)
    assert caught.value.status == status


async def test_what_others_are_told(place: Town) -> None:
    alice, bob = await people(place)
    open_room = await room(alice, 0)
    before = (await ask(place, open_room))["v1"]
    await alice.client.set_state(open_room, "test", {})
    assert (await ask(place, open_room))["v1"] == pytest.approx(before + 1 / 500)
    closed = await room(alice, 0, preset="private_chat")
    await unknown(place, closed)
    await alice.invite(closed, bob)
    assert (await ask(place, closed))["v1"] > 0
    await unknown(place, await room(alice, 0, creation_content={"m.federate": False}))
    await unknown(place, f"!unknown:{ONE}")
    await alice.client.set_state(open_room, "m.room.server_acl", {"allow": ["*"], "deny": [TWO]})
    await unknown(place, open_room, 403)
