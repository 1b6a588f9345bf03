"""Inviting users of other servers, and being invited by them. Spec: server-server API, "Inviting to a room"."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranvier.proto.errors import MatrixError
from ranvier.proto.event_build import complete_event
from ranvier.proto.handshakes.countersign import countersign
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.proto.signing import SigningKey, check_event
from ranvier.store import rooms as room_store
from tests.federation.town import Person, Server, Town, deliver, town

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
async def test_an_invitation_reaches_the_user_and_the_room(place: Town, version: str) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat", room_version=version, name="Tea")
    await alice.invite(room_id, bob, is_direct=True)
    events = {event["type"]: event for event in (await bob.rooms("invite"))[room_id]["invite_state"]["events"]}
    assert {"m.room.create", "m.room.name", "m.room.join_rules", "m.room.member"} <= events.keys()
    assert events["m.room.name"]["content"] == {"name": "Tea"}
    assert events["m.room.member"]["state_key"] == bob.user_id
    assert set(events["m.room.create"]) == {"type", "state_key", "sender", "content"}
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "invite"
    rooms = place.servers[ONE].rooms.rooms
    stored = await rooms.member(await rooms.get(room_id), bob.user_id)
    assert stored is not None
    assert stored.event.content["is_direct"] is True
    for name in (ONE, TWO):
        check_event(stored.event, name, place.public_keys[name])
    await bob.join(room_id)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "join"
    assert room_id not in await bob.rooms("invite")


async def test_the_invitation_is_to_be_sent_to_the_room(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    sent: list[str] = []
    place.servers[ONE].rooms.appender.listeners.append(
        lambda batch: sent.extend(e.stored.event.type for append in batch if append.sends for e in append.events)
    )
    await alice.invite(room_id, bob)
    assert sent == ["m.room.member"]
    gone: list[bool] = []
    place.servers[TWO].rooms.appender.listeners.append(lambda batch: gone.extend(append.sends for append in batch))
    await bob.leave(room_id)
    assert gone == [False]


async def test_the_invited_server_is_shown_full_events(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat", room_version="12")
    bodies = await invitations(place, alice, room_id, bob)
    told = bodies[0]["invite_room_state"]
    assert {"m.room.create", "m.room.join_rules", "m.room.member"} <= {event["type"] for event in told}
    assert all({"signatures", "hashes", "auth_events"} <= event.keys() for event in told)
    assert bodies[0]["room_version"] == "12"


async def invitations(place: Town, inviter: Person, room_id: str, target: Person) -> list[Any]:
    """What the invited server is sent."""
    bodies = []
    server = target.server
    answer = server.answer

    async def keep(origin: str, act: str, rest: list[str], query: list[tuple[str, str]], body: Any) -> Any:
        if act == "v2 invite":
            bodies.append(body)
        return await answer(origin, act, rest, query, body)

    server.answer = keep  # type: ignore[method-assign]
    try:
        await inviter.invite(room_id, target)
    finally:
        server.answer = answer  # type: ignore[method-assign]
    return bodies


async def test_who_may_not_invite_sends_no_invitation(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    ann = await place.servers[ONE].register("ann")
    error = await refused(ann.invite(room_id, bob))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")
    await bob_joins(alice, bob, room_id)
    place.asked.clear()
    assert (await refused(alice.invite(room_id, bob))).status == 403
    closed = await alice.client.create_room(creation_content={"m.federate": False})
    assert (await refused(alice.invite(closed, bob))).status == 403
    assert place.asks(ONE) == []


async def bob_joins(alice: Person, bob: Person, room_id: str) -> None:
    await alice.invite(room_id, bob)
    await bob.join(room_id)


async def test_an_unreachable_server_cannot_be_invited_to(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    place.down.add(TWO)
    error = await refused(alice.invite(room_id, bob))
    assert error.status == 502
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "leave"


@pytest.mark.parametrize("signatures", [{}, {"ed25519:a_1": "A" * 86}])
async def test_an_invitation_without_the_other_servers_signature_is_not_sent(place: Town, signatures: Any) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")

    def unsign(server: str, act: str, answer: Any) -> Any:
        if act == "invite":
            answer["event"]["signatures"][TWO] = signatures
        return answer

    place.tamper = unsign
    assert (await refused(alice.invite(room_id, bob))).status == 502
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "leave"


async def test_a_user_who_wants_no_invitations_gets_none(place: Town) -> None:
    alice, bob = await two(place)
    path = f"/user/{bob.user_id}/account_data/m.invite_permission_config"
    (await bob.client.put(path, {"default_action": "block"})).ok()
    error = await refused(alice.invite(await alice.client.create_room(), bob))
    assert (error.status, error.errcode) == (403, "M_INVITE_BLOCKED")
    assert await bob.rooms("invite") == {}


async def test_invitations_of_ignored_users_are_not_shown(place: Town) -> None:
    alice, bob = await two(place)
    path = f"/user/{bob.user_id}/account_data/m.ignored_user_list"
    (await bob.client.put(path, {"ignored_users": {alice.user_id: {}}})).ok()
    await alice.invite(await alice.client.create_room(), bob)
    assert await bob.rooms("invite") == {}


async def test_only_administrators_may_invite_where_the_server_says_so() -> None:
    async with town(ONE, TWO, block_non_admin_invites=True) as place:
        alice, bob = await two(place)
        error = await refused(alice.invite(await alice.client.create_room(), bob))
        assert (error.status, error.errcode) == (403, "M_FORBIDDEN")


async def test_a_user_who_does_not_exist_is_not_invited(place: Town) -> None:
    alice, bob = await two(place)
    memberships = place.servers[ONE].memberships
    room_id = await alice.client.create_room()
    error = await refused(memberships.invite(alice.requester, room_id, f"@nobody:{TWO}"))
    assert (error.status, error.errcode) == (403, "M_FORBIDDEN")
    assert (await refused(memberships.invite(alice.requester, room_id, "bob"))).status == 400
    assert bob.user_id


async def test_servers_of_the_first_hour_are_asked_in_their_own_way(place: Town) -> None:
    alice, bob = await two(place)
    place.servers[TWO].unknown.add("v2 invite")
    room_id = await alice.client.create_room(preset="private_chat", room_version="2", name="old")
    await alice.invite(room_id, bob)
    assert room_id in await bob.rooms("invite")
    await bob.join(room_id)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "join"
    modern = await alice.client.create_room(preset="private_chat", room_version="11")
    assert (await refused(alice.invite(modern, bob))).status == 502


async def receive(server: Server, pdu: Any, told: Any = None, **changes: Any) -> Any:
    version = ROOM_VERSIONS[changes.pop("version", "11")]
    given = {"origin": ONE, "room_id": pdu["room_id"], "event_id": changes.pop("event_id")} | changes
    return await server.handshakes.invited.receive(
        given["origin"], given["room_id"], given["event_id"], pdu, version, told=told
    )


async def test_what_is_no_invitation_of_ours_is_not_signed(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat", room_version="11")
    await alice.invite(room_id, bob)
    rooms, two_ = place.servers[ONE].rooms.rooms, place.servers[TWO]
    stored = await rooms.member(await rooms.get(room_id), bob.user_id)
    assert stored is not None
    pdu, event_id = stored.event.pdu, stored.event.event_id
    assert (await receive(two_, pdu, event_id=event_id)).event_id == event_id
    for changed in (
        {"type": "m.room.message"},
        {"content": {"membership": "join"}},
        {"state_key": alice.user_id},
        {"state_key": f"@bo\0b:{TWO}"},
        {"room_id": "!other:one.test"},
        {"signatures": {TWO: pdu["signatures"][TWO]}},
    ):
        body = {**pdu, **changed}
        error = await refused(receive(two_, body, event_id=event_id))
        assert (error.status, error.errcode) == (400, "M_INVALID_PARAM"), changed
    for path in ({"event_id": "$other"}, {"event_id": event_id, "origin": "three.test"}):
        error = await refused(receive(two_, pdu, **path))
        assert (error.status, error.errcode) == (400, "M_INVALID_PARAM")
    error = await refused(receive(two_, {**pdu, "depth": None}, event_id=event_id))
    assert (error.status, error.errcode) == (400, "M_BAD_JSON")


async def test_rooms_of_the_newest_version_must_be_told_of_properly(place: Town) -> None:
    alice, bob = await two(place)
    for version, strict in (("12", True), ("11", False)):
        room_id = await alice.client.create_room(preset="private_chat", room_version=version, name="x")
        (body,) = await invitations(place, alice, room_id, bob)
        event_id = (await member_event(place, room_id, bob)).event_id
        told = body["invite_room_state"]
        stripped = [{key: e[key] for key in ("type", "state_key", "sender", "content")} for e in told]
        unsigned = [{**event, "signatures": {}} for event in told]
        for bad in (None, [], stripped, unsigned, [e for e in told if e["type"] != "m.room.create"]):
            attempt = receive(place.servers[TWO], body["event"], bad, event_id=event_id, version=version)
            if strict:
                assert (await refused(attempt)).errcode == "M_INVALID_PARAM"
            else:
                await attempt


async def member_event(place: Town, room_id: str, person: Person) -> Any:
    rooms = place.servers[ONE].rooms.rooms
    stored = await rooms.member(await rooms.get(room_id), person.user_id)
    assert stored is not None
    return stored.event


async def test_what_is_told_under_a_false_name_is_not_shown(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat", room_version="11", name="right")
    (body,) = await invitations(place, alice, room_id, bob)
    await bob.leave(room_id)
    await alice.client.set_state(room_id, "m.room.topic", {"topic": "x"})
    told = [
        {**event, "content": {"name": "wrong"}} if event["type"] == "m.room.name" else event
        for event in body["invite_room_state"]
    ]
    original = place.servers[TWO].answer

    async def forge(origin: str, act: str, rest: list[str], query: list[tuple[str, str]], body: Any) -> Any:
        return await original(origin, act, rest, query, {**body, "invite_room_state": told})

    place.servers[TWO].answer = forge  # type: ignore[method-assign]
    await alice.invite(room_id, bob)
    shown = {event["type"] for event in (await bob.rooms("invite"))[room_id]["invite_state"]["events"]}
    assert "m.room.create" in shown
    assert "m.room.name" not in shown


async def test_a_server_in_the_room_signs_and_waits_for_the_event(place: Town) -> None:
    alice, bob = await two(place)
    ben = await place.servers[TWO].register("ben")
    room_id = await alice.client.create_room(preset="private_chat")
    await bob_joins(alice, bob, room_id)
    await alice.invite(room_id, ben)
    assert room_id not in await ben.rooms("invite")
    await deliver(place, room_id, ben, ONE, TWO)
    assert room_id in await ben.rooms("invite")
    await ben.join(room_id)
    assert await place.servers[TWO].membership(room_id, ben.user_id) == "join"


async def test_an_invitation_is_taken_back(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    await alice.invite(room_id, bob)
    (await alice.client.post(f"/rooms/{room_id}/kick", {"user_id": bob.user_id})).ok()
    kick = (await member_event(place, room_id, bob)).pdu
    rescinded = place.servers[TWO].handshakes.rescinded
    for other in ({**kick, "signatures": {}}, {**kick, "sender": bob.user_id}, {"type": "m.room.member"}, {}):
        await rescinded.receive(ONE, room_id, [other])
    await rescinded.receive("three.test", room_id, [kick])
    assert room_id in await bob.rooms("invite")
    await rescinded.receive(ONE, room_id, [kick])
    assert room_id not in await bob.rooms("invite")
    await rescinded.receive(ONE, room_id, [kick])


async def test_our_signature_is_added_and_the_others_stay(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat", room_version="11")
    await alice.invite(room_id, bob)
    event = await member_event(place, room_id, bob)
    third = SigningKey("ed25519:x", b"x" * 32)
    further = countersign(event, "three.test", third)
    signed = await receive(place.servers[TWO], further.pdu, event_id=event.event_id)
    assert signed.pdu == further.pdu


async def test_users_of_other_servers_are_invited_to_a_room_as_it_is_made(place: Town) -> None:
    alice, bob = await two(place)
    nobody = "@nobody:gone.test"
    room_id = await alice.client.create_room(
        preset="trusted_private_chat", invite=[bob.user_id, nobody], is_direct=True, room_version="12"
    )
    assert room_id in await bob.rooms("invite")
    assert await place.servers[ONE].membership(room_id, nobody) == "leave"
    await bob.join(room_id)
    assert await place.servers[ONE].membership(room_id, bob.user_id) == "join"


async def test_an_invitation_that_is_written_as_state_is_one(place: Town) -> None:
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat")
    (await alice.client.set_state(room_id, "m.room.member", {"membership": "invite"}, bob.user_id)).ok()
    assert room_id in await bob.rooms("invite")
    gone = await alice.client.set_state(room_id, "m.room.member", {"membership": "invite"}, "@x:gone.test")
    assert gone.status == 502


async def test_a_false_word_about_a_rooms_version_does_not_last(place: Town) -> None:
    """Somebody invites to a room under another version than it has; then the user is really invited, and joins."""
    alice, bob = await two(place)
    room_id = await alice.client.create_room(preset="private_chat", room_version="11")
    await alice.invite(room_id, bob)
    event = await member_event(place, room_id, bob)
    pdu = {key: value for key, value in event.pdu.items() if key not in ("signatures", "hashes")}
    old = ROOM_VERSIONS["4"]
    ben = await place.servers[TWO].register("ben")
    false = complete_event({**pdu, "state_key": ben.user_id}, old, signing_key=place.servers[ONE].key, server_name=ONE)
    await receive(place.servers[TWO], false.pdu, event_id=false.event_id, version="4")
    await bob.join(room_id)
    rooms = place.servers[TWO].rooms.rooms
    assert (await rooms.get(room_id)).version.identifier == "11"
    row = await room_store.by_id(rooms.db, room_id)
    assert row is not None
    assert row.room_version == "11"
    error = await refused(receive(place.servers[TWO], false.pdu, event_id=false.event_id, version="4"))
    assert (error.status, error.errcode) == (400, "M_INVALID_PARAM")
