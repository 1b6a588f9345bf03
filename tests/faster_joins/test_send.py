"""What is sent out of a partially joined room, and to whom. FJ-32, scenario 5."""

from tests.faster_joins.room import MEMBER
from tests.faster_joins.stage import DEREK, ELSIE, RESIDENT, Stage, staged

OTHER = "elsewhere.test"


@staged()
async def test_scenario_05_can_send_events(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    said = await s.alice.say(room.room_id, "hello")
    topic = await s.alice.set_state(room.room_id, "m.room.topic", {"topic": "x"})
    topic.refused(403, "M_FORBIDDEN")
    await s.pause()
    (event,) = [event for event in s.resident.heard if event.type == "m.room.message"]
    assert event.event_id == said
    assert event.content["body"] == "hello"
    assert await s.partial(room) is not None


@staged()
async def test_fj_32_events_go_to_all_servers_that_were_said_to_be_in_the_room(s: Stage) -> None:
    names = [f"s{number}.test" for number in range(10)]
    room = s.room(members=[DEREK, *[f"@user:{name}" for name in names]])
    await s.join_partially(room)
    said = await s.alice.say(room.room_id, "hello")
    await s.pause(30)
    assert all(said in s.server(name).heard_ids() for name in (*names, RESIDENT))


@staged()
async def test_fj_32_events_go_to_servers_that_come_in_later(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    s.server(OTHER)
    join = room.member(ELSIE, "join")
    await s.resident.send(join)
    await s.pause()
    said = await s.alice.say(room.room_id, "hello")
    await s.pause()
    assert said in s.server(OTHER).heard_ids()


@staged()
async def test_fj_33_what_others_have_missed_they_can_ask_for(s: Stage) -> None:
    """A server that was kept from us gets the next event, and asks for those before it."""
    room = s.room(members=[DEREK, ELSIE])
    s.resident.lie("send_join", lambda request, answer: {**answer, "servers_in_room": [RESIDENT]})
    await s.join_partially(room)
    missed = await s.alice.say(room.room_id, "one")
    await s.pause()
    assert s.server(OTHER).heard == []
    s.release()
    await s.until_full(room)
    latest = await s.alice.say(room.room_id, "two")
    await s.pause()
    assert latest in s.server(OTHER).heard_ids()
    path = f"/_matrix/federation/v1/get_missing_events/{room.room_id}"
    asked = {"earliest_events": [room.state[MEMBER, DEREK].event_id], "latest_events": [latest], "limit": 10}
    status, answer = await s.server(OTHER).ask("POST", path, asked)
    assert status == 200
    assert [event["content"].get("body") for event in answer["events"]][-1] == "one"
    assert missed in [event.event_id for event in map(room.hear, answer["events"])]


@staged()
async def test_what_was_not_delivered_before_a_restart_reaches_servers_of_which_nobody_is_known(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    elsewhere = s.server("elsewhere.test")
    await s.join_partially(room)
    app = s.world.network.apps.pop(elsewhere.name)
    said = await s.alice.say(room.room_id, "hello")
    await s.pause(60)
    await s.restart(crash=False)
    s.world.network.apps[elsewhere.name] = app
    await s.pause(7200)
    assert said in elsewhere.heard_ids()
    assert await s.partial(room) is not None
