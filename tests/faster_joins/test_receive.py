"""Events of other servers in a partially joined room: which are let in, and what is noted. FJ-9 to FJ-18."""

from collections.abc import Mapping
from typing import Any

import pytest

from ranvier.proto.events import Event
from ranvier.state.history import known_state
from ranvier.store.events import ACCEPTED, REJECTED, StoredEvent
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, OURS, Stage, staged

PATIENCE_S = 120.0
"""As long as the server looks for what an event needs, with the states held back."""


async def stored(s: Stage, event: Event) -> StoredEvent | None:
    """The event as our server has it."""
    return (await s.ours.rooms.cache.by_id([event.event_id])).get(event.event_id)


async def state_before(s: Stage, room: ScriptedRoom, event: Event) -> dict[tuple[str, str], str]:
    """The state before it, as our server has it."""
    found = await stored(s, event)
    assert found is not None and found.state_before is not None
    ours = await s.ours.rooms.rooms.get(room.room_id)
    events = await s.ours.rooms.cache.get(
        list((await ours.history.load_state(known_state(found.state_before))).values())
    )
    return {one.event.key: one.event.event_id for one in events.values() if one.event.key is not None}


def ids(state: Mapping[tuple[str, str], Event]) -> dict[tuple[str, str], str]:
    return {key: event.event_id for key, event in state.items()}


@staged()
async def test_fj_09_events_come_in_and_go_out(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    theirs = room.say("hello", sender=DEREK)
    await s.tell(theirs)
    ours = await s.alice.say(room.room_id, "hello you")
    await s.pause()
    assert (await s.shown(room))[:2] == [ours, theirs.event_id]
    assert ours in s.resident.heard_ids()
    assert await s.partial(room) is not None


@staged()
async def test_fj_10_what_is_malformed_is_dropped(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    event = room.make("m.room.message", {"body": "x"}, sender=DEREK)
    pdu = {key: value for key, value in event.pdu.items() if key != "auth_events"}
    content = {"origin": s.resident.name, "origin_server_ts": 0, "pdus": [pdu], "edus": []}
    status, _ = await s.resident.ask("PUT", "/_matrix/federation/v1/send/malformed", content)
    assert status == 200
    await s.pause()
    assert await stored(s, event) is None


@staged()
async def test_fj_10_what_is_badly_signed_is_dropped(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    event = room.make("m.room.message", {"body": "x"}, sender=DEREK)
    pdu = {**event.pdu, "signatures": {s.resident.name: {"ed25519:scripted": "A" * 86}}}
    content = {"origin": s.resident.name, "origin_server_ts": 0, "pdus": [pdu], "edus": []}
    await s.resident.ask("PUT", "/_matrix/federation/v1/send/forged", content)
    await s.pause()
    assert await stored(s, event) is None


@staged()
async def test_fj_10_what_has_another_hash_is_redacted(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    event = room.say("x", sender=DEREK)
    pdu = {**event.pdu, "content": {"body": "y"}}
    content = {"origin": s.resident.name, "origin_server_ts": 0, "pdus": [pdu], "edus": []}
    await s.resident.ask("PUT", "/_matrix/federation/v1/send/changed", content)
    await s.pause()
    found = await stored(s, event)
    assert found is not None
    assert (found.status, found.event.content) == (ACCEPTED, {})


@staged()
async def test_fj_10_what_its_auth_events_do_not_allow_is_rejected(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    state = {key: event for key, event in room.state.items() if key != (MEMBER, DEREK)}
    event = room.make("m.room.message", {"body": "x"}, sender=DEREK, state=state)
    await s.tell(event)
    found = await stored(s, event)
    assert found is not None
    assert found.status == REJECTED
    assert event.event_id not in await s.shown(room)


@staged()
async def test_fj_11_the_partial_state_before_the_join_is_the_one_of_the_answer(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    told = {key: event for key, event in room.before[join.event_id].items() if key[0] != MEMBER}
    assert await state_before(s, room, join) == ids(told)


@staged()
async def test_fj_11_the_partial_state_before_a_merge_is_the_resolution(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    one = room.tell("m.room.topic", {"topic": "one"}, state_key="", after=[join])
    await s.pause(1)
    other = room.tell("m.room.topic", {"topic": "other"}, state_key="", after=[join])
    rules = room.tell("m.room.guest_access", {"guest_access": "forbidden"}, state_key="", after=[one])
    merge = room.say("both", sender=DEREK, after=[rules, other])
    await s.tell(one, other, rules, merge)
    before = await state_before(s, room, merge)
    assert before["m.room.topic", ""] == other.event_id
    assert before["m.room.guest_access", ""] == rules.event_id
    assert before[MEMBER, s.alice.user_id] == join.event_id
    assert (MEMBER, DEREK) not in before


@staged()
async def test_fj_12_only_accepted_state_events_change_the_state(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    topic = room.tell("m.room.topic", {"topic": "x"}, state_key="")
    message = room.say("hello", sender=DEREK)
    forbidden = room.tell("m.room.name", {"name": "Derek's"}, sender=DEREK, state_key="")
    last = room.say("bye", sender=DEREK)
    await s.tell(topic, message, forbidden, last)
    after_topic = await state_before(s, room, message)
    assert after_topic == {**await state_before(s, room, topic), ("m.room.topic", ""): topic.event_id}
    assert await state_before(s, room, forbidden) == after_topic
    assert await state_before(s, room, last) == after_topic


@staged()
async def test_fj_13_every_event_with_partial_state_is_marked(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    events = [join.event_id]
    for body in ("one", "two"):
        message = room.say(body, sender=DEREK)
        await s.tell(message)
        events.append(message.event_id)
        assert await s.rows("events") == sorted(events)
    events.append(await s.alice.say(room.room_id, "three"))
    assert await s.rows("events") == sorted(events)


@staged()
async def test_fj_14_a_ban_among_the_auth_events_counts(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    ban = room.member(ELSIE, "ban", by=CHARLIE)
    await s.join_partially(room)
    assert ban.event_id not in (await s.state_ids(room)).values()
    event = room.tell("m.room.message", {"body": "x"}, sender=ELSIE)
    await s.tell(event)
    await s.pause(PATIENCE_S)
    found = await stored(s, event)
    assert found is None or found.status == REJECTED
    assert event.event_id not in await s.shown(room)


@staged()
async def test_fj_14_a_ban_in_the_partial_state_counts_against_older_auth_events(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    before = room.state
    ban = room.member(ELSIE, "ban", by=CHARLIE)
    await s.tell(ban)
    event = room.tell("m.room.message", {"body": "x"}, sender=ELSIE, state=before)
    await s.tell(event)
    found = await stored(s, event)
    assert found is not None
    assert found.status == REJECTED


@staged()
async def test_fj_14_the_sender_of_an_event_may_be_known_by_its_auth_events_alone(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    event = room.say("I am here", sender=ELSIE)
    await s.tell(event)
    found = await stored(s, event)
    assert found is not None
    assert found.status == ACCEPTED


@staged()
async def test_fj_15_nothing_is_soft_failed(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    ban = room.member(DEREK, "ban", by=CHARLIE)
    await s.tell(ban)
    event = room.tell("m.room.message", {"body": "from before"}, sender=DEREK, after=[join])
    await s.tell(event)
    assert event.event_id in await s.shown(room)


@staged()
async def test_fj_16_the_current_state_is_the_resolution_of_all_ends(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    one = room.tell("m.room.topic", {"topic": "one"}, state_key="", after=[join])
    await s.pause(1)
    other = room.tell("m.room.topic", {"topic": "other"}, state_key="", after=[join])
    name = room.tell("m.room.name", {"name": "Circle"}, state_key="", after=[join])
    await s.tell(one, other, name)
    ours = await s.ours.rooms.rooms.get(room.room_id)
    assert len(ours.extremities) == 3
    state = await s.state_ids(room)
    assert (state["m.room.topic", ""], state["m.room.name", ""]) == (other.event_id, name.event_id)
    assert (await s.get(room, "state/m.room.topic")).ok() == {"topic": "other"}


@staged()
async def test_fj_17_events_with_partial_state_are_no_outliers(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    message = room.say("hello", sender=DEREK)
    await s.tell(message)
    for event in (join, message):
        found = await stored(s, event)
        assert found is not None
        assert (found.pos is not None, found.state_before is not None) == (True, True)
    create = await stored(s, room.state["m.room.create", ""])
    assert create is not None
    assert create.pos is None


@staged()
async def test_scenario_12_can_receive_events(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    message = room.say("hello", sender=DEREK)
    await s.tell(message)
    synced = await s.sync(lazy=True)
    timeline = synced["rooms"]["join"][room.room_id]["timeline"]["events"]
    assert timeline[-1]["event_id"] == message.event_id
    # Derek's membership is not in the state that came with the join.
    assert s.resident.asked("event_auth")
    path = f"/_matrix/federation/v1/state_ids/{room.room_id}?event_id={message.event_id}"
    status, answer = await s.resident.ask("GET", path)
    assert (status, answer["errcode"]) == (403, "M_UNABLE_DUE_TO_PARTIAL_STATE")


@staged()
async def test_scenario_13_can_receive_events_with_missing_parents(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    missing = room.say("one", sender=DEREK, after=[join])
    event = room.say("two", sender=DEREK, after=[missing])
    await s.tell(event)
    await s.pause(PATIENCE_S)
    assert s.resident.asked("get_missing_events")
    assert (await s.shown(room))[:2] == [event.event_id, missing.event_id]
    s.release()
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_scenario_14_can_receive_events_with_half_missing_parents(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    missing = room.say("one", sender=DEREK, after=[join])
    event = room.say("two", sender=DEREK, after=[missing, join])
    s.resident.lie("get_missing_events", lambda request, answer: {"events": []})
    await s.tell(event)
    await s.pause(PATIENCE_S)
    assert event.event_id in await s.shown(room)
    s.release()
    await s.until_full(room)
    assert await s.rows("rooms", "room_id") == []


@staged()
async def test_scenario_15_can_receive_events_with_half_missing_grandparents(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    missing = room.say("one", sender=DEREK, after=[join])
    parent = room.say("two", sender=DEREK, after=[missing, join])
    event = room.say("three", sender=DEREK, after=[parent])
    only_parent = room.between([event.event_id], [missing.event_id, join.event_id], 1)
    s.resident.lie("get_missing_events", lambda request, answer: {"events": [one.pdu for one in only_parent]})
    await s.tell(event)
    await s.pause(PATIENCE_S)
    assert event.event_id in await s.shown(room)
    s.release()
    await s.until_full(room)
    await s.check_full(room, room.state)


@pytest.mark.parametrize("version", ["1", "3", "6", "9", "10", "12"])
def test_every_room_version(version: str, tmp_path: Any, template: Any) -> None:
    @staged()
    async def play(s: Stage) -> None:
        room = s.room(version, members=[DEREK, ELSIE])
        await s.join_partially(room)
        await s.tell(room.say("hello", sender=ELSIE))
        await s.alice.say(room.room_id, "hello you")
        await s.pause()
        s.release()
        await s.until_full(room)
        await s.check_full(room)
        await s.world.check_agreement(room.room_id, [OURS])

    play(tmp_path, template)
