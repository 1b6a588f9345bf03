"""Who wants to know all members of a partially joined room waits. FJ-20, scenarios 19 and 29."""

import asyncio

from tests.api.asgi import Answer, part
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, Stage, staged

UNABLE = "M_UNABLE_DUE_TO_PARTIAL_STATE"


async def _waits(s: Stage, room: ScriptedRoom, what: str, **query: str) -> Answer:
    """The answer, which does not come before the room is full."""
    asking = asyncio.create_task(s.get(room, what, None, **query))
    await s.pause(2)
    assert not asking.done(), asking.result().body
    assert await s.partial(room) is not None
    s.release()
    return await asking


@staged()
async def test_scenario_19_members_request_waits(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    token = (await s.sync(lazy=True))["rooms"]["join"][room.room_id]["timeline"]["prev_batch"]
    answer = await _waits(s, room, "members", at=token)
    assert {event["state_key"] for event in answer.ok()["chunk"]} >= {CHARLIE, DEREK, ELSIE}


@staged()
async def test_members_at_the_beginning_of_a_room_are_those_before_the_join(s: Stage) -> None:
    """Also where the room was told in full: clients ask for them with the `prev_batch` of their first sync."""
    s.resident.answers_in_full = True
    room = s.room(members=[DEREK, ELSIE])
    await s.join(room)
    token = (await s.sync(lazy=True))["rooms"]["join"][room.room_id]["timeline"]["prev_batch"]
    chunk = (await s.get(room, "members", at=token)).ok()["chunk"]
    assert {event["state_key"] for event in chunk} == {CHARLIE, DEREK, ELSIE}


@staged()
async def test_fj_20_members_request_without_a_position_waits(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    answer = await _waits(s, room, "members")
    assert {event["state_key"] for event in answer.ok()["chunk"]} == {CHARLIE, DEREK, ELSIE, s.alice.user_id}


@staged()
async def test_scenario_29_joined_members_waits(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    answer = await _waits(s, room, "joined_members")
    assert answer.ok()["joined"].keys() == {CHARLIE, DEREK, ELSIE, s.alice.user_id}


@staged()
async def test_fj_20_the_whole_state_waits(s: Stage) -> None:
    room = s.room(members=[DEREK])
    await s.join_partially(room)
    answer = await _waits(s, room, "state")
    assert {event["state_key"] for event in answer.ok() if event["type"] == MEMBER} >= {CHARLIE, DEREK}


@staged()
async def test_fj_20_nobody_waits_for_ever(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    answer = await asyncio.wait_for(s.get(room, "joined_members"), 600)
    answer.refused(503, UNABLE)
    assert int(answer.headers.get("retry-after") or answer.headers["Retry-After"]) > 0


@staged()
async def test_fj_20_a_members_state_that_is_not_known_waits(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    answer = await _waits(s, room, f"state/m.room.member/{part(DEREK)}")
    assert answer.ok()["membership"] == "join"
