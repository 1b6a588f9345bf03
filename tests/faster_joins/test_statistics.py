"""What is said of a partially joined room to those who are not in it. Scenario 60."""

from typing import Any

from tests.api.asgi import Client, part
from tests.faster_joins.room import ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, Stage, staged


async def summary(client: Client, room: ScriptedRoom) -> Any:
    path = f"/_matrix/client/v1/room_summary/{part(room.room_id)}"
    return (await client.request("GET", path)).ok()


@staged()
async def test_scenario_60_room_statistics_are_right_in_the_end(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    assert (await summary(s.alice, room))["num_joined_members"] == 1
    s.release()
    await s.until_full(room)
    assert (await summary(s.alice, room))["num_joined_members"] == 3


@staged()
async def test_the_room_list_is_right_in_the_end(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE], levels={"@alice:ours.test": 100})
    await s.join_partially(room)
    (await s.alice.put(f"/directory/list/room/{part(room.room_id)}", {"visibility": "public"})).ok()
    await s.tell(room.member("@fay:resident.test", "join"), room.member(DEREK, "leave"))
    s.release()
    await s.until_full(room)
    (listed,) = (await s.alice.get("/publicRooms")).ok()["chunk"]
    assert (listed["room_id"], listed["num_joined_members"], listed["name"]) == (room.room_id, 4, "Square")


@staged()
async def test_what_was_wrongly_believed_of_the_room_is_put_right(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE], levels={ELSIE: 50})
    before = dict(room.state)
    room.member(ELSIE, "ban", by=CHARLIE)
    await s.join_partially(room)
    wrong = room.forge("m.room.topic", {"topic": "wrong"}, sender=ELSIE, state_key="", state=before)
    await s.tell(wrong)
    assert (await summary(s.alice, room))["topic"] == "wrong"
    s.release()
    await s.until_full(room)
    found = await summary(s.alice, room)
    assert "topic" not in found
    assert found["num_joined_members"] == 3
