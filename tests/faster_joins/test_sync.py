"""Syncing with a partially joined room. Scenarios 1 to 4, 16 to 18 and 22, FJ-25."""

import asyncio
from typing import Any

from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, Stage, Sync, staged


def part_of(sync: Sync, room: ScriptedRoom, section: str = "join") -> Any:
    """The room in a sync, if it is there."""
    return sync.get("rooms", {}).get(section, {}).get(room.room_id)


def members_in(part: Any) -> set[str]:
    """Whose memberships a room in a sync tells, in the state before its timeline."""
    return {event["state_key"] for event in part["state"]["events"] if event["type"] == MEMBER}


def timeline_of(part: Any) -> list[str]:
    """The ids of its timeline."""
    return [event["event_id"] for event in part["timeline"]["events"]]


@staged()
async def test_scenario_01_eager_initial_sync(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    assert part_of(await s.sync(), room) is None
    s.release()
    await s.until_full(room)
    part = part_of(await s.sync(), room)
    assert members_in(part) >= {CHARLIE, DEREK}


@staged()
async def test_scenario_02_eager_incremental_sync(s: Stage) -> None:
    room = s.room()
    since = (await s.sync())["next_batch"]
    await s.join_partially(room)
    said = await s.alice.say(room.room_id, "hello")
    during = await s.sync(since=since)
    assert part_of(during, room) is None
    s.release()
    await s.until_full(room)
    part = part_of(await s.sync(since=during["next_batch"]), room)
    assert members_in(part) >= {CHARLIE, DEREK}
    assert said in timeline_of(part)


@staged()
async def test_scenario_03_eager_long_polling_sync_is_woken(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    since = (await s.sync())["next_batch"]
    waiting = asyncio.create_task(s.sync(since=since, wait_s=300))
    await s.pause(10)
    assert not waiting.done()
    began = asyncio.get_running_loop().time()
    s.release()
    part = part_of(await waiting, room)
    assert members_in(part) >= {CHARLIE, DEREK}
    assert asyncio.get_running_loop().time() - began < 250


@staged()
async def test_scenario_04_can_lazy_loading_sync(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    part = part_of(await s.sync(lazy=True), room)
    assert timeline_of(part)[-1] == join.event_id
    assert {"m.room.create", "m.room.name"} <= {event["type"] for event in part["state"]["events"]}


@staged()
async def test_scenario_16_lazy_initial_sync_includes_remote_memberships(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    message = room.say("hello", sender=DEREK)
    await s.tell(message)
    part = part_of(await s.sync(lazy=True), room)
    assert timeline_of(part)[-1] == message.event_id
    assert DEREK in members_in(part)
    assert ELSIE not in members_in(part)


@staged()
async def test_scenario_17_lazy_gappy_sync_includes_remote_memberships(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    since = (await s.sync(lazy=True))["next_batch"]
    await s.tell(*[room.say(f"{number}") for number in range(30)])
    message = room.say("hello", sender=ELSIE)
    await s.tell(message)
    part = part_of(await s.sync(lazy=True, since=since), room)
    assert part["timeline"]["limited"]
    assert timeline_of(part)[-1] == message.event_id
    assert members_in(part) >= {CHARLIE, ELSIE}


@staged()
async def test_scenario_18_lazy_incremental_sync_includes_remote_memberships(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    since = (await s.sync(lazy=True))["next_batch"]
    message = room.say("hello", sender=DEREK)
    await s.tell(message)
    part = part_of(await s.sync(lazy=True, since=since), room)
    assert timeline_of(part) == [message.event_id]
    assert members_in(part) == {DEREK}


@staged()
async def test_scenario_22_gappy_sync_after_the_full_state(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    since = (await s.sync())["next_batch"]
    s.release()
    await s.until_full(room)
    await s.tell(*[room.say(f"{number}") for number in range(30)])
    part = part_of(await s.sync(since=since), room)
    assert part["timeline"]["limited"]
    assert members_in(part) >= {CHARLIE, DEREK, ELSIE}


@staged()
async def test_scenario_22_lazy_client_gets_the_members_it_asks_for(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    since = (await s.sync(lazy=True))["next_batch"]
    s.release()
    await s.until_full(room)
    message = room.say("hello", sender=ELSIE)
    await s.tell(message)
    part = part_of(await s.sync(lazy=True, since=since), room)
    assert timeline_of(part)[-1] == message.event_id
    assert ELSIE in members_in(part)
    assert part["summary"]["m.joined_member_count"] == 4


@staged()
async def test_a_kick_is_seen_by_an_eager_client(s: Stage) -> None:
    room = s.room()
    since = (await s.sync())["next_batch"]
    await s.join_partially(room)
    await s.tell(room.member(s.alice.user_id, "leave", by=CHARLIE))
    part = part_of(await s.sync(since=since), room, "leave")
    assert part is not None
    assert part["timeline"]["events"][-1]["content"]["membership"] == "leave"


@staged()
async def test_fj_25_a_client_is_told_of_a_verdict_that_has_changed(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE], levels={ELSIE: 50})
    before = dict(room.state)
    room.tell("m.room.topic", {"topic": "true"}, state_key="")
    before["m.room.topic", ""] = room.state["m.room.topic", ""]
    room.member(ELSIE, "ban", by=CHARLIE)
    await s.join_partially(room)
    wrong = room.forge("m.room.topic", {"topic": "wrong"}, sender=ELSIE, state_key="", state=before)
    await s.tell(wrong)
    since = (await s.sync(lazy=True))["next_batch"]
    s.release()
    await s.until_full(room)
    told = (await s.sync(lazy=True, since=since))["rooms"]["join"][room.room_id]
    topics = [
        event["content"]["topic"]
        for event in (*told["state"]["events"], *told["timeline"]["events"])
        if event["type"] == "m.room.topic"
    ]
    assert topics[-1] == "true"
