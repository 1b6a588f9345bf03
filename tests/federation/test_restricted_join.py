"""Joining restricted rooms through other servers. Spec: server-server API, "Restricted rooms"."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranvier.proto.errors import MatrixError
from ranvier.rooms.restricted_join import AUTHORISER
from tests.federation.town import Person, Town, deliver, town

ONE, TWO, THREE = "one.test", "two.test", "three.test"


@pytest.fixture
async def place() -> AsyncIterator[Town]:
    async with town(ONE, TWO, THREE) as made:
        yield made


async def club(alice: Person, *allowed: str, version: str = "11", join_rule: str = "restricted") -> str:
    """A room whose door is open to members of others."""
    rules = {
        "join_rule": join_rule,
        "allow": [{"type": "m.room_membership", "room_id": room_id} for room_id in allowed],
    }
    state = [{"type": "m.room.join_rules", "state_key": "", "content": rules}]
    return await alice.client.create_room(preset="private_chat", room_version=version, initial_state=state)


async def refused(act: Any) -> MatrixError:
    with pytest.raises(MatrixError) as caught:
        await act
    return caught.value


async def member_content(place: Town, server: str, room_id: str, person: Person) -> dict[str, Any]:
    rooms = place.servers[server].rooms.rooms
    stored = await rooms.member(await rooms.get(room_id), person.user_id)
    assert stored is not None
    return stored.event.content


@pytest.mark.parametrize(
    ("version", "join_rule"), [("8", "restricted"), ("10", "knock_restricted"), ("12", "restricted")]
)
async def test_a_member_of_an_allowed_room_is_let_in(place: Town, version: str, join_rule: str) -> None:
    alice = await place.servers[ONE].register("alice")
    bob = await place.servers[TWO].register("bob")
    lobby = await alice.client.create_room(preset="public_chat")
    room_id = await club(alice, lobby, version=version, join_rule=join_rule)
    error = await refused(bob.join(room_id, ONE))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")
    await bob.join(lobby, ONE)
    await bob.join(room_id, ONE)
    for server in (ONE, TWO):
        content = await member_content(place, server, room_id, bob)
        assert (content["membership"], content[AUTHORISER]) == ("join", alice.user_id)


async def test_an_invited_user_needs_nobody_to_vouch(place: Town) -> None:
    alice = await place.servers[ONE].register("alice")
    bob = await place.servers[TWO].register("bob")
    room_id = await club(alice, "!elsewhere:gone.test")
    await alice.invite(room_id, bob)
    await bob.join(room_id)
    assert AUTHORISER not in await member_content(place, ONE, room_id, bob)


async def test_without_conditions_nobody_is_let_in(place: Town) -> None:
    alice = await place.servers[ONE].register("alice")
    bob = await place.servers[TWO].register("bob")
    error = await refused(bob.join(await club(alice), ONE))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")


async def test_a_server_that_cannot_see_the_conditions_says_so(place: Town) -> None:
    alice = await place.servers[ONE].register("alice")
    bob = await place.servers[TWO].register("bob")
    error = await refused(bob.join(await club(alice, "!elsewhere:gone.test"), ONE))
    assert (error.status, error.errcode) == (400, "M_UNABLE_TO_AUTHORISE_JOIN")


async def test_where_one_server_has_nobody_to_invite_another_is_asked(place: Town) -> None:
    alice = await place.servers[ONE].register("alice")
    bob = await place.servers[TWO].register("bob")
    carol = await place.servers[THREE].register("carol")
    lobby = await alice.client.create_room(preset="public_chat")
    await bob.join(lobby, ONE)
    await carol.join(lobby, ONE)
    room_id = await club(alice, lobby)
    levels = (await alice.client.state(room_id, "m.room.power_levels")).ok()
    (await alice.client.set_state(room_id, "m.room.power_levels", {**levels, "invite": 50})).ok()
    await bob.join(room_id, ONE)
    place.asked.clear()
    await deliver(place, lobby, carol, ONE, TWO)
    await carol.join(room_id, TWO, ONE)
    assert place.asks(THREE) == [f"make_join {TWO}", f"make_join {ONE}", f"send_join {ONE}"]
    place.down.add(ONE)
    error = await refused(
        place.servers[TWO].answer(THREE, "v1 make_join", [room_id, "@new:three.test"], [("ver", "11")], None)
    )
    assert error.errcode == "M_FORBIDDEN"


async def test_a_local_user_is_let_in_by_another_server_if_nobody_here_can(place: Town) -> None:
    alice = await place.servers[ONE].register("alice")
    bob = await place.servers[TWO].register("bob")
    ben = await place.servers[TWO].register("ben")
    lobby = await alice.client.create_room(preset="public_chat")
    await bob.join(lobby, ONE)
    await ben.join(lobby)
    await deliver(place, lobby, ben, TWO, ONE)
    room_id = await club(alice, lobby)
    levels = (await alice.client.state(room_id, "m.room.power_levels")).ok()
    (await alice.client.set_state(room_id, "m.room.power_levels", {**levels, "invite": 50})).ok()
    await bob.join(room_id, ONE)
    place.asked.clear()
    await ben.join(room_id)
    assert place.asks(TWO) == [f"make_join {ONE}", f"send_join {ONE}"]
    for server in (ONE, TWO):
        assert (await member_content(place, server, room_id, ben))[AUTHORISER] == alice.user_id


async def test_the_resident_does_not_sign_a_promise_that_it_did_not_make(place: Town) -> None:
    """A join that names one of our users as the one who lets the user in, without any condition being fulfilled."""
    alice = await place.servers[ONE].register("alice")
    bob = await place.servers[TWO].register("bob")
    lobby = await alice.client.create_room(preset="public_chat")
    room_id = await club(alice, lobby)
    await bob.join(lobby, ONE)

    def keep(server: str, act: str, answer: Any) -> Any:
        if act == "make_join" and answer["event"]["room_id"] == room_id:
            place.down.add(ONE)
            kept.append(answer)
        return answer

    kept: list[Any] = []
    place.tamper = keep
    await refused(bob.join(room_id, ONE))
    place.down.clear()
    await bob.leave(lobby)
    await deliver(place, lobby, bob, TWO, ONE)
    place.tamper = None

    def stale(server: str, act: str, answer: Any) -> Any:
        return kept[0] if act == "make_join" else answer

    place.tamper = stale
    await alice.invite(room_id, bob)
    error = await refused(bob.join(room_id, ONE))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")


async def test_a_join_without_the_promised_signature_is_worth_nothing(place: Town) -> None:
    alice = await place.servers[ONE].register("alice")
    bob = await place.servers[TWO].register("bob")
    lobby = await alice.client.create_room(preset="public_chat")
    await bob.join(lobby, ONE)
    room_id = await club(alice, lobby)

    def unsign(server: str, act: str, answer: Any) -> Any:
        if act == "send_join":
            del answer["event"]["signatures"][ONE]
        return answer

    place.tamper = unsign
    error = await refused(bob.join(room_id, ONE))
    assert error.status == 502
    assert await place.servers[TWO].rooms.rooms.find(room_id) is None
