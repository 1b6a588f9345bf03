"""Turning down invitations of other servers, and letting their users do so. Spec: server-server API, "Leaving Rooms"."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranvier.proto.errors import MatrixError
from ranvier.proto.room_versions import ROOM_VERSIONS
from tests.api.device import Device
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


@pytest.mark.parametrize("version", list(ROOM_VERSIONS))
async def test_an_invitation_is_turned_down_through_its_server(place: Town, version: str) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat", room_version=version)
    await alice.invite(room_id, bob)
    await bob.leave(room_id)
    assert place.asks(TWO) == [f"make_leave {ONE}", f"send_leave {ONE}"]
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "leave"
    assert room_id not in await bob.rooms("invite")
    await bob.leave(room_id)
    assert len(place.asks(TWO)) == 2


async def test_the_user_gets_rid_of_an_invitation_that_nobody_takes_back(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    await alice.invite(room_id, bob)
    place.down.add(ONE)
    await bob.leave(room_id)
    assert room_id not in await bob.rooms("invite")
    place.down.clear()
    await alice.invite(room_id, bob)
    assert room_id in await bob.rooms("invite")
    await bob.join(room_id)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "join"


async def test_a_refusal_leaves_the_user_without_the_invitation_too(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    await alice.invite(room_id, bob)
    (await alice.client.post(f"/rooms/{room_id}/kick", {"user_id": bob.user_id})).ok()
    await bob.leave(room_id)
    assert room_id not in await bob.rooms("invite")


async def test_a_stranger_has_nothing_to_leave(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="public_chat")
    assert (await refused(bob.leave(room_id))).status in (403, 404)
    error = await refused(place.servers[ONE].answer(TWO, "v1 make_leave", [room_id, bob.user_id], [], None))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")
    error = await refused(place.servers[ONE].answer(TWO, "v1 make_leave", ["!un:known", bob.user_id], [], None))
    assert (error.status, error.errcode) == (404, "M_NOT_FOUND")
    error = await refused(place.servers[ONE].answer(TWO, "v1 make_leave", [room_id, alice.user_id], [], None))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")


async def test_a_room_that_we_are_in_is_left_without_asking(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="public_chat")
    await bob.join(room_id, ONE)
    place.asked.clear()
    await bob.leave(room_id)
    assert place.asks(TWO) == []
    assert await place.servers[TWO].membership(room_id, bob.user_id) == "leave"


async def test_send_leave_takes_only_leaves(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    await alice.invite(room_id, bob)
    sent: list[Any] = []
    original = place.servers[ONE].answer

    async def keep(origin: str, act: str, rest: list[str], query: list[tuple[str, str]], body: Any) -> Any:
        if act == "v2 send_leave":
            sent.append((rest, body))
        return await original(origin, act, rest, query, body)

    place.servers[ONE].answer = keep  # type: ignore[method-assign]
    await bob.leave(room_id)
    ((path, body),) = sent
    wrong: list[dict[str, Any]] = [
        {"content": {"membership": "join"}},
        {"state_key": alice.user_id},
        {"signatures": {}},
    ]
    for changed in wrong:
        error = await refused(original(TWO, "v2 send_leave", path, [], {**body, **changed}))
        assert (error.status, error.errcode) == (400, "M_INVALID_PARAM")
    assert await original(TWO, "v2 send_leave", path, [], body) == {}


async def test_older_servers_are_talked_to_in_the_older_form(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    await alice.invite(room_id, bob)
    place.servers[ONE].unknown.add("v2 send_leave")
    await bob.leave(room_id)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "leave"


async def test_the_end_of_an_invitation_is_told_to_clients(place: Town) -> None:
    alice, bob = await two(place)
    device = Device(bob.client)
    await device.sync()
    room_id = await alice.client.create_room(preset="private_chat")
    await alice.invite(room_id, bob)
    assert room_id in (await device.sync())["rooms"]["invite"]
    await bob.leave(room_id)
    told = (await device.sync())["rooms"]["leave"][room_id]["timeline"]["events"]
    assert [event["content"]["membership"] for event in told] == ["leave"]
    assert "rooms" not in await device.sync()
    (await bob.client.post(f"/rooms/{room_id}/forget")).ok()


async def test_who_closes_their_account_turns_down_invitations_elsewhere(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    public = await alice.client.create_room(preset="public_chat")
    await alice.invite(room_id, bob)
    await bob.join(public, ONE)
    await place.servers[TWO].rooms.of_user.leave_all(bob.user_id)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "leave"
    assert await place.servers[TWO].membership(public, bob.user_id) == "leave"


async def test_older_clients_see_invitations_from_elsewhere(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    await alice.invite(room_id, bob)
    answer = (await bob.client.get("/initialSync", archived="true")).ok()
    assert [(room["room_id"], room["membership"]) for room in answer["rooms"]] == [(room_id, "invite")]
    await bob.leave(room_id)
    assert (await bob.client.get("/initialSync", archived="true")).ok()["rooms"] == []
