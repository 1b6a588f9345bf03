"""Partial joins by invitation, by a condition, in encrypted rooms, and by who has been in the room before."""

from typing import Any
from urllib.parse import quote

from ranvier.proto.events import Event
from tests.api.asgi import Client, part
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, Stage, staged


def private(s: Stage, **how: Any) -> ScriptedRoom:
    """A room that has been closed after these had come."""
    room = s.room(**how)
    room.tell("m.room.join_rules", {"join_rule": "invite"}, state_key="")
    return room


async def invite(s: Stage, room: ScriptedRoom) -> Event:
    """Charlie invites alice, as servers do."""
    return room.hear(await announce(s, room, s.alice))


async def announce(s: Stage, room: ScriptedRoom, invited: Client) -> Any:
    """Charlie's server hands in an invitation that is no part of the room yet: the signed event."""
    event = room.make(MEMBER, {"membership": "invite"}, sender=CHARLIE, state_key=invited.user_id)
    path = f"/_matrix/federation/v2/invite/{quote(room.room_id)}/{quote(event.event_id)}"
    name = {"type": "m.room.name", "sender": CHARLIE, "state_key": "", "content": {"name": "Square"}}
    body = {"room_version": room.version.identifier, "event": event.pdu, "invite_room_state": [name]}
    status, answer = await s.resident.ask("PUT", path, body)
    assert status == 200, answer
    return answer["event"]


@staged()
async def test_an_invitation_is_accepted(s: Stage) -> None:
    room = private(s, members=[DEREK, ELSIE])
    await invite(s, room)
    assert room.room_id in (await s.sync(lazy=True))["rooms"]["invite"]
    for server in s.residents.values():
        server.hold()
    (await s.alice.act(room.room_id, "join")).ok()
    assert await s.partial(room) is not None
    synced = await s.sync(lazy=True)
    assert room.room_id in synced["rooms"]["join"]
    assert room.room_id not in synced["rooms"].get("invite", {})
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id)


@staged()
async def test_an_invitation_of_an_eager_client_is_there_until_the_room_is_full(s: Stage) -> None:
    room = private(s, members=[DEREK])
    since = (await s.sync())["next_batch"]
    await invite(s, room)
    synced = await s.sync(since=since)
    assert room.room_id in synced["rooms"]["invite"]
    for server in s.residents.values():
        server.hold()
    (await s.alice.act(room.room_id, "join")).ok()
    synced = await s.sync(since=synced["next_batch"])
    assert room.room_id not in synced.get("rooms", {}).get("join", {})
    s.release()
    await s.until_full(room)
    assert room.room_id in (await s.sync(since=synced["next_batch"]))["rooms"]["join"]


@staged()
async def test_another_of_us_is_invited_meanwhile(s: Stage) -> None:
    room = private(s, members=[DEREK], levels={"@alice:ours.test": 50})
    await invite(s, room)
    for server in s.residents.values():
        server.hold()
    (await s.alice.act(room.room_id, "join")).ok()
    ben = await s.user("ben")
    (await s.alice.act(room.room_id, "invite", user_id=ben.user_id)).ok()
    await s.pause()
    await s.join(room, ben)
    assert await s.partial(room) is not None
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, s.alice.user_id, ben.user_id)


@staged()
async def test_who_has_been_there_before_comes_back(s: Stage) -> None:
    """The room is known from before, and what is known of it is old."""
    room = s.room(members=[DEREK, ELSIE])
    await s.join(room)
    await s.until_full(room)
    (await s.alice.act(room.room_id, "leave")).ok()
    await s.pause()
    room.member(ELSIE, "leave")
    room.member("@fay:new.test", "join")
    room.tell("m.room.topic", {"topic": "later"}, state_key="")
    s.server("new.test")
    await s.join_partially(room)
    assert (await s.get(room, "state/m.room.topic")).ok() == {"topic": "later"}
    await s.tell(room.say("welcome back", sender="@fay:new.test"))
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, "@fay:new.test", s.alice.user_id)


@staged()
async def test_a_restricted_room_lets_two_of_us_in(s: Stage) -> None:
    """Each of them by the signature of the resident, who knows who fulfils the condition."""
    room = s.room(members=[DEREK, ELSIE])
    allow = [{"type": "m.room_membership", "room_id": "!lobby:resident.test"}]
    room.tell("m.room.join_rules", {"join_rule": "restricted", "allow": allow}, state_key="")
    await s.join_partially(room)
    ben = await s.user("ben")
    await s.join(room, ben)
    assert await s.partial(room) is not None
    assert len(s.resident.asked("send_join")) == 2
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id, ben.user_id)


@staged()
async def test_an_encrypted_room_is_known_to_be_so_at_once(s: Stage) -> None:
    room = s.room()
    room.tell("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}, state_key="")
    await s.join_partially(room)
    assert (await s.get(room, f"state/{part('m.room.encryption')}")).ok()["algorithm"] == "m.megolm.v1.aes-sha2"
    (await s.alice.send(room.room_id, "m.room.encrypted", {"ciphertext": "x"})).ok()
    s.release()
    await s.until_full(room)
    await s.check_full(room)


async def two_are_invited(s: Stage) -> tuple[ScriptedRoom, Client]:
    """Alice and ben are, and alice has come in before ben's invitation is part of the room: nobody tells us that it is."""
    room = private(s, members=[DEREK])
    ben = await s.user("ben")
    await invite(s, room)
    signed = await announce(s, room, ben)
    (await s.alice.act(room.room_id, "join")).ok()
    room.hear(signed)
    await s.until_full(room)
    return room, ben


@staged()
async def test_who_is_invited_unseen_by_the_room_here_is_let_in_by_who_invites(s: Stage) -> None:
    room, ben = await two_are_invited(s)
    (await ben.act(room.room_id, "join")).ok()
    await s.pause()
    await s.check_joined(room, CHARLIE, DEREK, s.alice.user_id, ben.user_id)
    await s.check_full(room)
    assert room.room_id in (await s.sync(ben))["rooms"]["join"]
    assert "invite" not in (await s.sync(ben))["rooms"]


@staged()
async def test_who_is_invited_unseen_by_the_room_here_may_decline(s: Stage) -> None:
    room, ben = await two_are_invited(s)
    assert room.room_id in (await s.sync(ben))["rooms"]["invite"]
    (await ben.act(room.room_id, "leave")).ok()
    await s.pause()
    assert room.state[(MEMBER, ben.user_id)].membership == "leave"
    assert "invite" not in (await s.sync(ben)).get("rooms", {})
    await s.tell(room.say("he does not want to", sender=CHARLIE))
    await s.check_full(room)


@staged()
async def test_an_invitation_that_was_taken_back_lets_nobody_in(s: Stage) -> None:
    room, ben = await two_are_invited(s)
    await s.tell(room.member(ben.user_id, "leave", by=CHARLIE))
    assert (await ben.act(room.room_id, "join")).status == 403
    assert len(s.resident.asked("make_join")) == 1
