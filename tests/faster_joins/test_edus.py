"""What servers tell each other besides events, while a room is partially joined. Scenarios 6 to 9."""

from typing import Any

from tests.faster_joins.room import ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, Stage, staged


async def ephemeral(s: Stage, room: ScriptedRoom, edu_type: str) -> list[Any]:
    joined = (await s.sync(lazy=True))["rooms"]["join"][room.room_id]
    return [event["content"] for event in joined["ephemeral"]["events"] if event["type"] == edu_type]


async def _pdus_still_flow(s: Stage, room: ScriptedRoom) -> None:
    message = room.say("still here", sender=DEREK)
    await s.tell(message)
    assert message.event_id in await s.shown(room)
    assert await s.partial(room) is not None


@staged()
async def test_scenario_06_can_receive_typing(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    typing = {"room_id": room.room_id, "user_id": CHARLIE, "typing": True}
    await s.resident.send(edus=[("m.typing", typing)])
    await s.pause(1)
    assert await ephemeral(s, room, "m.typing") == [{"user_ids": [CHARLIE]}]
    await _pdus_still_flow(s, room)


@staged()
async def test_scenario_07_can_receive_presence(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    news = {"user_id": CHARLIE, "presence": "online", "last_active_ago": 10}
    await s.resident.send(edus=[("m.presence", {"push": [news]})])
    await _pdus_still_flow(s, room)
    s.release()
    await s.until_full(room)
    await s.resident.send(edus=[("m.presence", {"push": [news]})])
    await s.pause(1)
    told = (await s.sync())["presence"]["events"]
    assert [event["content"]["presence"] for event in told if event["sender"] == CHARLIE] == ["online"]


@staged()
async def test_scenario_08_can_receive_to_device(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    message = {
        "sender": CHARLIE,
        "type": "m.test",
        "message_id": "once",
        "messages": {s.alice.user_id: {"*": {"hello": "alice"}}},
    }
    await s.resident.send(edus=[("m.direct_to_device", message)])
    await s.pause(1)
    (found,) = (await s.sync())["to_device"]["events"]
    assert (found["sender"], found["content"]) == (CHARLIE, {"hello": "alice"})
    await _pdus_still_flow(s, room)


@staged()
async def test_scenario_09_can_receive_receipts(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    receipt = {room.room_id: {"m.read": {CHARLIE: {"data": {"ts": 1}, "event_ids": [join.event_id]}}}}
    await s.resident.send(edus=[("m.receipt", receipt)])
    await s.pause(1)
    (found,) = await ephemeral(s, room, "m.receipt")
    assert list(found[join.event_id]["m.read"]) == [CHARLIE]
    await _pdus_still_flow(s, room)
