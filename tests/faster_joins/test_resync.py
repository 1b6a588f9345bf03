"""Fetching the full state: from whom, how often, in which order, and what becomes of it. FJ-21 to FJ-28."""

import asyncio
from typing import Any

from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.state.history import known_state
from tests.faster_joins.answers import Answer, Request
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, RESIDENT, Stage, staged

OTHER = "elsewhere.test"
HOUR_S = 3600.0


@staged()
async def test_fj_21_the_resync_begins_at_the_join_and_goes_forward(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    join = await s.join_partially(room)
    for number in range(5):
        await s.tell(room.say(f"{number}", sender=ELSIE))
    s.release()
    await s.until_full(room)
    assert {request.query["event_id"] for request in s.resident.asked("state", "state_ids")} == {join.event_id}
    await s.check_full(room)


@staged()
async def test_fj_22_the_state_is_told_by_its_ids_and_what_is_missing_is_fetched(s: Stage) -> None:
    room = s.room(members=[f"@user{number}:{RESIDENT}" for number in range(40)])
    join = await s.join_partially(room)
    s.release()
    await s.until_full(room)
    assert len(s.resident.asked("state")) + len(s.resident.asked("state_ids")) <= 3
    assert all(request.query["event_id"] == join.event_id for request in s.resident.asked("state", "state_ids"))
    await s.check_full(room)


@staged()
async def test_fj_23_the_full_state_before_every_event_is_known(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    events = [room.say("one", sender=DEREK), room.member(ELSIE, "leave"), room.say("two", sender=CHARLIE)]
    await s.tell(*events)
    s.release()
    await s.until_full(room)
    ours = await s.ours.rooms.rooms.get(room.room_id)
    for event in events:
        (stored,) = (await s.ours.rooms.cache.by_id([event.event_id])).values()
        state = await s.ours.rooms.cache.get(
            list((await ours.history.load_state(known_state(stored.state_before or 0))).values())
        )
        expected = {known.event_id for known in room.before[event.event_id].values()}
        assert {known.event.event_id for known in state.values()} == expected


@staged()
async def test_fj_24_an_event_whose_full_state_is_known_is_not_marked(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    await s.tell(room.say("one", sender=DEREK), room.say("two", sender=DEREK))
    s.release()
    await s.until_full(room)
    assert await s.rows("events") == []
    # What comes now has its full state from the beginning.
    await s.tell(room.say("three", sender=DEREK))
    assert await s.rows("events") == []


@staged()
async def test_fj_26_the_room_is_full_with_the_last_event(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    await s.tell(room.say("one", sender=DEREK), room.say("two", sender=DEREK))
    assert len(await s.rows("events")) == 3
    s.release()
    await s.until_full(room)
    for table, column in (("events", "event_id"), ("rooms", "room_id"), ("rooms_servers", "server_name")):
        assert await s.rows(table, column) == []


@staged()
async def test_fj_27_another_server_is_asked_at_once(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    s.resident.refuse("state_ids", 500, "M_UNKNOWN")
    s.resident.refuse("state", 500, "M_UNKNOWN")
    await s.join(room)
    began = asyncio.get_running_loop().time()
    await s.until_full(room)
    assert asyncio.get_running_loop().time() - began < 10
    assert s.server(OTHER).asked("state_ids", "state")
    await s.check_full(room)


@staged()
async def test_fj_28_one_request_at_a_time_for_one_room(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    ben = await s.user("ben")
    await s.join(room, ben)
    await s.pause(1)
    assert len([request for one in s.residents.values() for request in one.asked("state_ids", "state")]) == 1


@staged()
async def test_fj_29_who_waits_is_told_once(s: Stage) -> None:
    room = s.room()
    told: list[PartialRoom] = []
    s.ours.rooms.rooms.partials.on_ended.append(told.append)
    await s.join_partially(room)
    s.release()
    await s.until_full(room)
    await s.pause(HOUR_S)
    assert [partial.room_id for partial in told] == [room.room_id]


@staged()
async def test_scenario_20_the_join_continues_after_a_restart(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    join = await s.join_partially(room)
    await s.tell(room.say("before", sender=DEREK))
    await s.restart()
    partial = await s.partial(room)
    assert partial is not None
    assert (partial.join_event_id, partial.joined_via) == (join.event_id, RESIDENT)
    assert partial.servers == {OTHER, RESIDENT}
    await s.tell(room.say("after", sender=ELSIE))
    assert len(await s.rows("events")) == 3
    s.release()
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_scenario_20_the_join_continues_after_a_clean_restart(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    await s.restart(crash=False)
    assert await s.partial(room) is not None
    s.release()
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_a_full_room_stays_full_after_a_restart(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    s.release()
    await s.until_full(room)
    asked = len(s.resident.asked("state_ids", "state"))
    await s.restart()
    await s.pause(HOUR_S)
    await s.check_full(room)
    assert len(s.resident.asked("state_ids", "state")) == asked


@staged()
async def test_a_restart_at_every_second_of_the_job_does_no_harm(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE, *[f"@user{number}:{RESIDENT}" for number in range(40)]])
    await s.join_partially(room)
    await s.tell(*[room.say(f"{number}", sender=ELSIE) for number in range(5)])
    s.release()
    for tenth in range(30):
        await s.pause(tenth / 10)
        await s.restart()
        if await s.partial(room) is None:
            break
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_scenario_21_other_homeservers_are_asked(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    bad = room.make(MEMBER, {"membership": "join"}, sender="@nobody:nowhere.test", state_key="@nobody:nowhere.test")
    for act in ("state", "state_ids"):
        s.resident.lie(act, lambda request, answer: {"pdus": [bad.pdu], "auth_chain": []})
    await s.join(room)
    await s.until_full(room)
    assert s.server(OTHER).asked("state_ids", "state")
    await s.check_full(room)


@staged()
async def test_a_server_that_has_not_heard_of_the_join_is_told_of_it(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    join = await s.join_partially(room)
    s.resident.refuse("state_ids", 500, "M_UNKNOWN")
    s.resident.refuse("state", 500, "M_UNKNOWN")
    elsewhere = s.server(OTHER)

    def only_if_told(request: Request, answer: dict[str, Any]) -> dict[str, Any] | Answer:
        if join.event_id in elsewhere.heard_ids():
            return answer
        return 403, {"errcode": "M_FORBIDDEN", "error": "You are not in the room"}

    elsewhere.lie("state_ids", only_if_told)
    elsewhere.lie("state", only_if_told)
    s.release()
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_every_server_refuses_at_first(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    for server in s.residents.values():
        server.refuse("state_ids", times=3)
        server.refuse("state", times=3)
    await s.join(room)
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_the_resident_dies_and_another_helps(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    s.world.network.apps.pop(RESIDENT)
    s.server(OTHER).release()
    await s.until_full(room)
    await s.check_full(room)


@staged(faster_joins={"give_up_after": "7d"})
async def test_all_servers_are_away_for_half_a_day(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    apps = {name: s.world.network.apps.pop(name) for name in (RESIDENT, OTHER)}
    s.release()
    await s.pause(6 * HOUR_S)
    partial = await s.partial(room)
    assert partial is not None
    assert partial.last_error
    asked = len(s.world.network.requests)
    await s.pause(6 * HOUR_S)
    # Each attempt asks both servers, and one comes at most every ten minutes.
    assert len(s.world.network.requests) - asked < 6 * 6 * 8
    s.world.network.apps |= apps
    await s.until_full(room)
    await s.check_full(room)


async def _doubtful(s: Stage, room: ScriptedRoom, told: dict[str, Any]) -> None:
    """One server answers something else than what is so, and another one is believed."""
    s.resident.lie("state_ids", lambda request, answer: {**answer, "pdu_ids": told["pdu_ids"]})
    s.resident.lie("state", lambda request, answer: {**answer, "pdus": told["pdus"]})
    await s.join(room)
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_a_truncated_state_is_not_believed(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    told = [event for key, event in room.state.items() if key[0] != MEMBER]
    await _doubtful(s, room, {"pdu_ids": [event.event_id for event in told], "pdus": [event.pdu for event in told]})


@staged()
async def test_an_empty_state_is_not_believed(s: Stage) -> None:
    await _doubtful(s, s.room(members=[DEREK, ELSIE]), {"pdu_ids": [], "pdus": []})


@staged()
async def test_an_old_state_is_not_believed(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    old = room.state
    room.tell("m.room.topic", {"topic": "new"}, state_key="")
    told = list(old.values())
    await _doubtful(s, room, {"pdu_ids": [event.event_id for event in told], "pdus": [event.pdu for event in told]})


@staged()
async def test_members_that_are_none_are_left_out(s: Stage) -> None:
    """A resident that lists who has never been there: what nothing authorises is not taken over."""
    room = s.room(members=[DEREK, ELSIE])
    ghost = "@ghost:resident.test"
    forged = room.forge(MEMBER, {"membership": "join"}, sender=ghost, state_key=ghost, auth=[])
    s.resident.lie("state_ids", lambda r, answer: {**answer, "pdu_ids": [*answer["pdu_ids"], forged.event_id]})
    s.resident.lie("state", lambda r, answer: {**answer, "pdus": [*answer["pdus"], forged.pdu]})
    await s.join(room)
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_a_hundred_extremities(s: Stage) -> None:
    room = s.room(members=[DEREK])
    join = await s.join_partially(room)
    events = [room.say(f"{number}", sender=DEREK, after=[join]) for number in range(100)]
    for start in range(0, 100, 25):
        await s.resident.send(*events[start : start + 25])
        await s.pause()
    s.release()
    await s.until_full(room)
    await s.pause()
    page = (await s.get(room, "messages", dir="b", limit="1000")).ok()["chunk"]
    assert {event.event_id for event in events} <= {event["event_id"] for event in page}
    await s.check_full(room)


@staged()
async def test_many_rooms_at_once_are_bounded(s: Stage) -> None:
    rooms = [s.room(creator=f"@charlie:s{number}.test", members=[DEREK]) for number in range(12)]
    for room in rooms:
        await s.join_partially(room, None, room.creator.partition(":")[2])
    await s.pause(10)
    asked = [request for one in s.residents.values() for request in one.asked("state_ids", "state")]
    assert 0 < len(asked) <= 4
    s.release()
    for room in rooms:
        await s.until_full(room)
    for room in rooms:
        await s.check_full(room)


@staged()
async def test_scenario_23_events_that_come_before_their_predecessors(s: Stage) -> None:
    """A hundred events are known as auth events or the like before they have a place."""
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    events = [room.member(ELSIE, "join") for _ in range(100)]
    message = room.say("last", sender=ELSIE)
    s.server(OTHER).hold("get_missing_events")
    s.resident.hold("get_missing_events")
    await s.server(OTHER).send(message)
    await s.pause(30)
    for start in range(0, 100, 50):
        await s.server(OTHER).send(*events[start : start + 50])
        await s.pause()
    for server in s.residents.values():
        server.release("get_missing_events")
    s.release()
    await s.until_full(room)
    await s.pause(600)
    await s.check_full(room)
    assert message.event_id in await s.shown(room)


@staged()
async def test_members_whose_keys_are_gone_do_not_keep_the_room_partial(s: Stage) -> None:
    """Nobody can check what their server said, which is no more."""
    room = s.room(members=[DEREK, ELSIE])
    room.member("@ghost:gone.test", "join")
    await s.join(room)
    await s.until_full(room, at_most_s=15.0)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id)


@staged()
async def test_what_is_done_is_counted(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    s.resident.refuse("state", times=1)
    s.resident.refuse("state_ids", times=1)
    s.server(OTHER).refuse("state")
    s.server(OTHER).refuse("state_ids")
    await s.join(room)
    await s.until_full(room)
    counters = s.ours.federation.resyncs.counters
    assert (counters.attempts, counters.failed_attempts, counters.completed, counters.given_up) == (2, 1, 1, 0)
    assert (counters.members, counters.replayed) == (3, 1)
    assert counters.seconds > 0
