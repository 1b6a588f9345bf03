"""Residents that lie, break down, or take their time, when a room is joined and afterwards."""

import asyncio
from typing import Any

import pytest

from tests.faster_joins.answers import Request
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, OURS, RESIDENT, Stage, staged

OTHER = "elsewhere.test"
HOUR_S = 3600.0


@staged()
async def test_a_resident_that_leaves_out_who_is_there_is_not_believed(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    elsie = room.state[MEMBER, ELSIE]

    def without(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
        ids = [event_id for event_id in answer.get("pdu_ids", ()) if event_id != elsie.event_id]
        pdus = [pdu for pdu in answer.get("pdus", ()) if pdu != elsie.pdu]
        return {**answer, "pdu_ids": ids, "pdus": pdus}

    s.resident.lie("state_ids", without)
    s.resident.lie("state", without)
    await s.join(room)
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_servers_that_do_not_exist_do_not_hold_up_the_room(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    made_up = [f"made{number}.up.test" for number in range(50)]
    s.resident.lie("send_join", lambda r, answer: {**answer, "servers_in_room": [*answer["servers_in_room"], *made_up]})
    await s.join(room)
    await s.until_full(room)
    await s.check_full(room)
    said = await s.alice.say(room.room_id, "hello")
    await s.pause()
    assert said in s.resident.heard_ids()


@staged()
async def test_servers_that_are_left_out_are_known_in_the_end(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    s.resident.lie("send_join", lambda request, answer: {**answer, "servers_in_room": []})
    await s.join_partially(room)
    assert await s.rows("rooms_servers", "server_name") == [RESIDENT]
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    said = await s.alice.say(room.room_id, "hello")
    await s.pause()
    assert said in s.server(OTHER).heard_ids()


@pytest.mark.parametrize(
    "servers", ["elsewhere.test", {"elsewhere.test": True}, None, 7], ids=["text", "object", "null", "number"]
)
def test_what_is_no_list_of_servers_is_no_answer(servers: Any, tmp_path: Any, template: Any) -> None:
    async def act(s: Stage) -> None:
        room = s.room(members=[DEREK, ELSIE])
        s.resident.lie("send_join", lambda request, answer: {**answer, "servers_in_room": servers})
        answer = await s.try_join(room)
        assert answer.status == 502
        assert await s.ours.rooms.rooms.find(room.room_id) is None
        # Another server does better.
        await s.join(room, None, OTHER)

    staged()(act)(tmp_path, template)


@staged()
async def test_ours_in_the_list_of_servers_is_left_out(s: Stage) -> None:
    room = s.room()
    s.resident.lie(
        "send_join", lambda r, answer: {**answer, "servers_in_room": [*answer["servers_in_room"], OURS, "not a name"]}
    )
    await s.join_partially(room)
    assert await s.rows("rooms_servers", "server_name") == [RESIDENT]


async def _refused(s: Stage, room: ScriptedRoom) -> None:
    """Nothing of the room is left here, and everybody knows that nobody of us is in it."""
    answer = await s.try_join(room)
    assert answer.status == 502, answer.body
    assert await s.ours.rooms.rooms.find(room.room_id) is None
    assert await s.rows("rooms", "room_id") == []
    assert room.state[MEMBER, s.alice.user_id].membership == "leave"


@staged()
async def test_a_state_without_a_create_event_is_no_answer(s: Stage) -> None:
    room = s.room()

    def without(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
        state = [pdu for pdu in answer["state"] if pdu["type"] != "m.room.create"]
        return {**answer, "state": state}

    s.resident.lie("send_join", without)
    await _refused(s, room)


@staged()
async def test_a_state_without_its_auth_events_is_no_answer(s: Stage) -> None:
    room = s.room()
    s.resident.lie("send_join", lambda request, answer: {**answer, "auth_chain": []})
    await _refused(s, room)


@staged()
async def test_members_that_are_told_although_they_may_be_left_out_are_known(s: Stage) -> None:
    """As heroes are."""
    room = s.room(members=[DEREK, ELSIE], name=None)
    elsie = room.state[MEMBER, ELSIE]
    s.resident.lie("send_join", lambda r, answer: {**answer, "state": [*answer["state"], elsie.pdu]})
    await s.join_partially(room)
    assert (await s.state_ids(room))[MEMBER, ELSIE] == elsie.event_id
    s.release()
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_a_join_that_is_accepted_and_never_answered(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    s.resident.lie("send_join", lambda request, answer: (502, {"errcode": "M_UNKNOWN", "error": "Too late"}))
    answer = await s.try_join(room)
    assert answer.status == 502
    # Whether by a leave or by an answer to a repetition: it must not stay as it is.
    await s.pause(HOUR_S)
    assert room.state[MEMBER, s.alice.user_id].membership == "leave"
    s.resident.lie("send_join", None)
    await s.join(room)
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_a_join_whose_answer_is_lost_is_handed_in_again(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    s.resident.hold("send_join")
    joining = asyncio.create_task(s.try_join(room))
    await s.pause(181)
    s.resident.release("send_join")
    (await joining).ok()
    first, second = s.resident.asked("send_join")
    assert first.body == second.body
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_a_join_that_is_accepted_and_times_out(s: Stage) -> None:
    """The next server that is asked lets the user in too; the room is one."""
    room = s.room(members=[DEREK, ELSIE])
    await s.resident.send()  # Its keys are known.
    s.resident.lie("send_join", lambda request, answer: (504, {"errcode": "M_UNKNOWN", "error": "Too late"}))
    await s.join(room, None, RESIDENT, OTHER)
    partial = await s.partial(room)
    assert partial is None or partial.joined_via == OTHER
    await s.until_full(room)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id)


@staged()
async def test_a_state_of_rubbish_is_not_believed(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    rubbish: list[Any] = [{}, [], None, 7, {"pdu_ids": 7}, {"pdu_ids": [7], "auth_chain_ids": []}, {"pdus": [[]]}]
    for act in ("state_ids", "state"):
        s.resident.lie(act, lambda request, answer: (200, rubbish[len(s.resident.requests) % len(rubbish)]))
    await s.join(room)
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_a_state_with_forged_events_is_not_taken_over(s: Stage) -> None:
    """Members with signatures that are not theirs."""
    room = s.room(members=[DEREK, ELSIE])

    def forged(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "pdus": [{**pdu, "signatures": {}} for pdu in answer["pdus"]]}

    s.resident.lie("state", forged)
    s.resident.lie("event", forged)
    await s.join(room)
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_a_room_that_is_upgraded_meanwhile(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    new = s.room(members=[DEREK])
    await s.join_partially(room)
    await s.tell(room.tell("m.room.tombstone", {"replacement_room": new.room_id, "body": "moved"}, state_key=""))
    await s.join(new)
    s.release()
    for one in (room, new):
        await s.until_full(one)
    for one in (room, new):
        await s.check_full(one)


@staged()
async def test_our_own_upgrade_meanwhile_waits_or_works(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE], levels={"@alice:ours.test": 100})
    await s.join_partially(room)
    s.release()
    answer = await s.alice.post(f"/rooms/{room.room_id}/upgrade", {"new_version": "11"})
    new_id = answer.ok()["replacement_room"]
    await s.until_full(room)
    await s.pause()
    await s.check_full(room)
    assert (await s.get(room, "state/m.room.tombstone")).ok()["replacement_room"] == new_id
