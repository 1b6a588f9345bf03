"""Events from other servers: what becomes of them, and what clients see of that."""

import pytest

from ranvier.proto.events import Event
from ranvier.rooms.accept import Arrival
from ranvier.store.events import ACCEPTED, REJECTED, SOFT_FAILED, StoredEvent
from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import Homeserver
from tests.rooms.remote_room import RemoteRoom

VERSIONS = ["1", "3", "6", "10", "11", "12"]


async def accept(server: Homeserver, room: RemoteRoom, *events: Event) -> list[StoredEvent | None]:
    return await server.server.rooms.accepting.accept(room.room_id, [Arrival(event=event) for event in events])


async def accepted(server: Homeserver, room: RemoteRoom, *events: Event) -> list[int]:
    """The status of each."""
    found = await accept(server, room, *events)
    return [stored.status for stored in found if stored is not None]


async def bodies(client: Client, room_id: str) -> list[str]:
    """The messages of a first sync."""
    timeline = (await client.get("/sync")).ok()["rooms"]["join"][room_id]["timeline"]["events"]
    return [event["content"]["body"] for event in timeline if event["type"] == "m.room.message"]


def message(body: str) -> dict[str, str]:
    return {"msgtype": "m.text", "body": body}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_room_from_elsewhere(homeserver_on_each: Homeserver, version: str) -> None:
    server = homeserver_on_each
    alice = await server.register("alice")
    room = RemoteRoom(version=version)
    room.join("@bob:remote.test")
    await room.let_in(server, alice.user_id)
    members = (await alice.get(f"{in_room(room.room_id)}/joined_members")).ok()["joined"]
    assert set(members) == {room.creator, "@bob:remote.test", alice.user_id}
    says = room.tell("m.room.message", message("hello"))
    assert await accepted(server, room, says) == [ACCEPTED]
    assert await bodies(alice, room.room_id) == ["hello"]
    answer = await alice.send(room.room_id, "m.room.message", message("hi"))
    event = (await alice.get(f"{in_room(room.room_id)}/event/{part(answer.ok()['event_id'])}")).ok()
    assert event["content"]["body"] == "hi"
    assert await bodies(alice, room.room_id) == ["hello", "hi"]


async def test_the_same_event_twice(homeserver: Homeserver, alice: Client) -> None:
    room = RemoteRoom()
    await room.let_in(homeserver, alice.user_id)
    says = room.tell("m.room.message", message("once"))
    first = await accept(homeserver, room, says)
    again = await accept(homeserver, room, says, says)
    assert [stored and stored.event_nid for stored in again] == [first[0] and first[0].event_nid] * 2
    assert await bodies(alice, room.room_id) == ["once"]


async def test_an_event_whose_ancestors_are_missing_waits(homeserver: Homeserver, alice: Client) -> None:
    room = RemoteRoom()
    await room.let_in(homeserver, alice.user_id)
    first = room.tell("m.room.message", message("1"))
    second = room.tell("m.room.message", message("2"))
    assert await accept(homeserver, room, second) == [None]
    assert await accepted(homeserver, room, first, second) == [ACCEPTED, ACCEPTED]
    assert await bodies(alice, room.room_id) == ["1", "2"]


async def test_a_forbidden_event_is_rejected_and_so_is_what_cites_it(homeserver: Homeserver, alice: Client) -> None:
    room = RemoteRoom()
    room.join("@bob:remote.test")
    await room.let_in(homeserver, alice.user_id)
    topic = room.say("m.room.topic", {"topic": "mine"}, prev=[room.tip], sender="@bob:remote.test", state_key="")
    invite = room.say(
        "m.room.member", {"membership": "ban"}, prev=[room.tip], sender="@bob:remote.test", state_key=alice.user_id
    )
    stranger = room.say("m.room.message", message("I am no member"), prev=[room.tip], sender="@eve:remote.test")
    assert await accepted(homeserver, room, topic, invite, stranger) == [REJECTED] * 3
    after = room.say("m.room.message", message("still there"), prev=[topic])
    assert await accepted(homeserver, room, after) == [ACCEPTED]
    assert await bodies(alice, room.room_id) == ["still there"]
    (await alice.get(f"{in_room(room.room_id)}/state/m.room.topic")).refused(404, "M_NOT_FOUND")


async def test_two_branches_meet(homeserver_on_each: Homeserver) -> None:
    server = homeserver_on_each
    alice = await server.register("alice")
    room = RemoteRoom()
    await room.let_in(server, alice.user_id)
    token = (await alice.get("/sync")).ok()["next_batch"]
    start = room.tip
    left = room.say("m.room.topic", {"topic": "left"}, prev=[start], state_key="")
    right = room.say("m.room.name", {"name": "right"}, prev=[start], state_key="")
    later = room.say("m.room.topic", {"topic": "later"}, prev=[right], state_key="")
    assert await accepted(server, room, left, right, later) == [ACCEPTED] * 3
    # Both branches are there, and of the two topics the one that resolution chooses: the later one.
    assert (await alice.get(f"{in_room(room.room_id)}/state/m.room.name")).ok() == {"name": "right"}
    assert (await alice.get(f"{in_room(room.room_id)}/state/m.room.topic")).ok() == {"topic": "later"}
    answer = await alice.send(room.room_id, "m.room.message", message("merged"))
    found = await server.server.rooms.cache.by_id([answer.ok()["event_id"]])
    (merged,) = found.values()
    assert set(merged.event.prev_events) == {left.event_id, later.event_id}
    section = (await alice.get("/sync", since=token)).ok()["rooms"]["join"][room.room_id]
    assert [event["event_id"] for event in section["timeline"]["events"]] == [
        left.event_id,
        right.event_id,
        later.event_id,
        merged.event.event_id,
    ]


async def test_an_event_of_a_banned_user_is_soft_failed(homeserver: Homeserver, alice: Client) -> None:
    room = RemoteRoom()
    bob = "@bob:remote.test"
    room.join(bob)
    await room.let_in(homeserver, alice.user_id)
    before = room.tip
    ban = room.tell("m.room.member", {"membership": "ban"}, state_key=bob)
    assert await accepted(homeserver, room, ban) == [ACCEPTED]
    late = room.say("m.room.message", message("from before the ban"), prev=[before], sender=bob)
    assert await accepted(homeserver, room, late) == [SOFT_FAILED]
    assert await bodies(alice, room.room_id) == []
    # What others say after it counts, and its branch does not come back to life.
    after = room.say("m.room.message", message("seen"), prev=[late, ban], state=room.after[ban.event_id])
    assert await accepted(homeserver, room, after) == [ACCEPTED]
    assert await bodies(alice, room.room_id) == ["seen"]
    head = await homeserver.server.rooms.rooms.get(room.room_id)
    assert [stored.event.event_id for stored in head.extremities] == [after.event_id]


async def test_a_ban_in_another_branch_takes_effect_and_clients_learn_of_it(
    homeserver: Homeserver, alice: Client
) -> None:
    room = RemoteRoom()
    bob = "@bob:remote.test"
    room.join(bob)
    await room.let_in(homeserver, alice.user_id)
    start = room.tip
    name = room.say("m.room.message", message("by bob"), prev=[start], sender=bob)
    ban = room.say("m.room.member", {"membership": "ban"}, prev=[start], state_key=bob)
    token = (await alice.get("/sync")).ok()["next_batch"]
    assert await accepted(homeserver, room, name, ban) == [ACCEPTED, ACCEPTED]
    section = (await alice.get("/sync", since=token, use_state_after="true")).ok()["rooms"]["join"][room.room_id]
    state = {(event["type"], event["state_key"]): event["content"] for event in section["state_after"]["events"]}
    assert state["m.room.member", bob]["membership"] == "ban"
    assert section["summary"]["m.joined_member_count"] == 2


async def test_a_redaction_before_its_target(homeserver_on_each: Homeserver) -> None:
    server = homeserver_on_each
    alice = await server.register("alice")
    room = RemoteRoom()
    await room.let_in(server, alice.user_id)
    start = room.tip
    bad = room.say("m.room.message", message("bad"), prev=[start])
    redaction = room.say("m.room.redaction", {}, prev=[start], redacts=bad.event_id)
    assert await accepted(server, room, redaction) == [ACCEPTED]
    assert await accepted(server, room, bad) == [ACCEPTED]
    seen = (await alice.get(f"{in_room(room.room_id)}/event/{bad.event_id}")).ok()
    assert seen["content"] == {}
    assert seen["unsigned"]["redacted_because"]["event_id"] == redaction.event_id


async def test_history_comes_below_what_is_there(homeserver_on_each: Homeserver) -> None:
    server = homeserver_on_each
    alice = await server.register("alice")
    room = RemoteRoom()
    old = [room.tell("m.room.message", message(f"old {number}")) for number in range(5)]
    joined = await room.let_in(server, alice.user_id)
    assert await bodies(alice, room.room_id) == []
    state = await server.server.rooms.cache.by_id(
        [event.event_id for event in room.after[old[0].prev_events[0]].values()]
    )
    arrivals = [
        Arrival(event=event, below=joined.pos, state=list(state.values()) if event is old[0] else None) for event in old
    ]
    found = await server.server.rooms.accepting.accept(room.room_id, arrivals)
    assert [stored and stored.status for stored in found] == [ACCEPTED] * 5
    page = (await alice.get(f"{in_room(room.room_id)}/messages", dir="b", limit="10")).ok()
    shown = [event["content"].get("body") for event in page["chunk"] if event["type"] == "m.room.message"]
    assert shown == [f"old {number}" for number in (4, 3, 2, 1, 0)]


async def test_history_that_two_events_cite_has_places_of_its_own(homeserver_on_each: Homeserver) -> None:
    """What comes in together stands before the join, and before what was placed before the join already."""
    server = homeserver_on_each
    alice = await server.register("alice")
    room = RemoteRoom()
    old = [room.tell("m.room.message", message(f"old {number}")) for number in range(3)]
    joined = await room.let_in(server, alice.user_id)
    known = await server.server.rooms.cache.by_id(
        [event.event_id for event in room.after[old[0].prev_events[0]].values()]
    )
    accepting = server.server.rooms.accepting
    state = list(known.values())
    (first,) = await accepting.accept(room.room_id, [Arrival(event=old[2], below=joined.pos, state=state)])
    assert first is not None
    both = await accepting.accept(
        room.room_id,
        [
            Arrival(event=old[0], below=first.pos, state=state),
            Arrival(event=old[1], below=joined.pos, state=state),
        ],
    )
    assert len({stored.pos for stored in (first, *both) if stored is not None}) == 3


async def test_fifty_events_are_one_write(homeserver_on_each: Homeserver) -> None:
    server = homeserver_on_each
    alice = await server.register("alice")
    room = RemoteRoom()
    await room.let_in(server, alice.user_id)
    events = [room.tell("m.room.message", message(str(number))) for number in range(50)]
    before = server.db.counters.write_transactions
    assert await accepted(server, room, *events) == [ACCEPTED] * 50
    assert server.db.counters.write_transactions - before == 1


async def test_forks_with_conflicts_are_one_write_too(homeserver: Homeserver, alice: Client) -> None:
    room = RemoteRoom()
    await room.let_in(homeserver, alice.user_id)
    start = room.tip
    events = [
        room.say("m.room.topic", {"topic": str(number)}, prev=[start], state_key="", state=room.after[start.event_id])
        for number in range(10)
    ]
    before = homeserver.db.counters.write_transactions
    assert await accepted(homeserver, room, *events) == [ACCEPTED] * 10
    assert homeserver.db.counters.write_transactions - before == 1
    assert (await alice.get(f"{in_room(room.room_id)}/state/m.room.topic")).ok() == {"topic": "9"}


async def test_a_room_from_elsewhere_after_a_restart(homeserver: Homeserver, alice: Client) -> None:
    room = RemoteRoom()
    await room.let_in(homeserver, alice.user_id)
    left = room.say("m.room.topic", {"topic": "left"}, prev=[room.tip], state_key="")
    right = room.say("m.room.name", {"name": "right"}, prev=[room.tip], state_key="")
    assert await accepted(homeserver, room, left, right) == [ACCEPTED] * 2
    services = homeserver.server.rooms
    services.rooms.drop(await services.rooms.get(room.room_id))
    services.cache.clear()
    assert (await alice.get(f"{in_room(room.room_id)}/state/m.room.topic")).ok() == {"topic": "left"}
    assert (await alice.get(f"{in_room(room.room_id)}/state/m.room.name")).ok() == {"name": "right"}
    answer = await alice.send(room.room_id, "m.room.message", message("merged"))
    (merged,) = (await services.cache.by_id([answer.ok()["event_id"]])).values()
    assert set(merged.event.prev_events) == {left.event_id, right.event_id}


async def test_an_invitation_to_a_room_elsewhere(homeserver: Homeserver, alice: Client) -> None:
    room = RemoteRoom(public=False)
    room.tell("m.room.name", {"name": "Elsewhere"}, state_key="")
    invite = room.tell("m.room.member", {"membership": "invite"}, state_key=alice.user_id)
    told = [
        {"type": "m.room.name", "state_key": "", "sender": room.creator, "content": {"name": "Elsewhere"}},
    ]
    outside = homeserver.server.rooms.outside_memberships
    await outside.save(invite, room.version, state=told)
    await outside.save(invite, room.version, state=told)
    sync = (await alice.get("/sync")).ok()
    events = sync["rooms"]["invite"][room.room_id]["invite_state"]["events"]
    assert [event["type"] for event in events] == ["m.room.name", "m.room.member"]
    leave = room.say(
        "m.room.member", {"membership": "leave"}, prev=[invite], sender=alice.user_id, state_key=alice.user_id
    )
    await outside.save(leave, room.version)
    sync = (await alice.get("/sync", since=sync["next_batch"])).ok()
    assert list(sync["rooms"]["leave"]) == [room.room_id]
    (await alice.post(f"{in_room(room.room_id)}/forget")).ok()
    assert "rooms" not in (await alice.get("/sync")).ok()


async def test_joining_after_an_invitation(homeserver: Homeserver, alice: Client) -> None:
    room = RemoteRoom(public=False)
    invite = room.tell("m.room.member", {"membership": "invite"}, state_key=alice.user_id)
    await homeserver.server.rooms.outside_memberships.save(invite, room.version)
    token = (await alice.get("/sync")).ok()["next_batch"]
    await room.let_in(homeserver, alice.user_id)
    sync = (await alice.get("/sync", since=token)).ok()
    assert list(sync["rooms"]) == ["join"]
    says = room.tell("m.room.message", message("welcome"))
    assert await accepted(homeserver, room, says) == [ACCEPTED]
    assert await bodies(alice, room.room_id) == ["welcome"]


async def followed(client: Client, room_id: str, token: str) -> dict[tuple[str, str], str]:
    """What a client changes in its picture of the room's state when it syncs: the ids of the events."""
    section = (await client.get("/sync", since=token)).ok()["rooms"]["join"][room_id]
    events = [*section["state"]["events"], *section["timeline"]["events"]]
    return {(event["type"], event["state_key"]): event["event_id"] for event in events if "state_key" in event}


async def test_a_client_arrives_at_the_state_where_branches_meet(homeserver: Homeserver, alice: Client) -> None:
    room = RemoteRoom()
    bob = "@bob:remote.test"
    room.join(bob)
    levels = {"users": {room.creator: 100, bob: 50}}
    room.tell("m.room.power_levels", levels, state_key="")
    await room.let_in(homeserver, alice.user_id)
    start = room.tip
    kept = room.say("m.room.topic", {"topic": "kept"}, prev=[start], state_key="")
    assert await accepted(homeserver, room, kept) == [ACCEPTED]
    token = (await alice.get("/sync")).ok()["next_batch"]
    # In one branch bob sets the topic, later; in the other he had been banned by then.
    lost = room.say("m.room.topic", {"topic": "lost"}, prev=[kept], sender=bob, state_key="")
    assert await accepted(homeserver, room, lost) == [ACCEPTED]
    ban = room.say("m.room.member", {"membership": "ban"}, prev=[kept], state_key=bob)
    says = room.say("m.room.message", message("and so on"), prev=[lost, ban], state=room.after[ban.event_id])
    assert await accepted(homeserver, room, ban, says) == [ACCEPTED, ACCEPTED]
    assert (await alice.get(f"{in_room(room.room_id)}/state/m.room.topic")).ok() == {"topic": "kept"}
    changed = await followed(alice, room.room_id, token)
    assert changed.get(("m.room.topic", ""), kept.event_id) == kept.event_id
    assert changed["m.room.member", bob] == ban.event_id
