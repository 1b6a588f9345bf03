"""What can be said at once of a partially joined room. FJ-19, scenarios 49, 50 and 52."""

import asyncio
from urllib.parse import quote

from tests.api.asgi import part
from tests.faster_joins.room import ScriptedRoom
from tests.faster_joins.stage import ELSIE, OURS, RESIDENT, Stage, staged


@staged()
async def test_fj_19_state_that_is_not_about_members_is_there_at_once(s: Stage) -> None:
    room = s.room()
    room.tell("m.room.topic", {"topic": "all"}, state_key="")
    await s.join_partially(room)
    began = asyncio.get_running_loop().time()
    assert (await s.get(room, "state/m.room.topic")).ok() == {"topic": "all"}
    assert (await s.get(room, f"state/m.room.member/{part(s.alice.user_id)}")).ok()["membership"] == "join"
    assert (await s.alice.get("/joined_rooms")).ok()["joined_rooms"] == [room.room_id]
    assert (await s.get(room, "messages", dir="b", limit="1")).ok()["chunk"]
    assert asyncio.get_running_loop().time() - began < 1


@staged()
async def test_fj_19_a_member_that_is_known_is_told_at_once(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    await s.tell(room.member(ELSIE, "join"))
    assert (await s.get(room, f"state/m.room.member/{part(ELSIE)}")).ok()["membership"] == "join"
    assert await s.partial(room) is not None


async def _alias(s: Stage, room: ScriptedRoom) -> str:
    alias = f"#square:{OURS}"
    (await s.alice.put(f"/directory/room/{part(alias)}", {"room_id": room.room_id})).ok()
    return alias


@staged()
async def test_scenario_49_aliases_can_be_added_and_queried(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    alias = await _alias(s, room)
    found = (await s.alice.get(f"/directory/room/{part(alias)}")).ok()
    assert found["room_id"] == room.room_id
    assert {OURS, RESIDENT} <= set(found["servers"])
    path = f"/_matrix/federation/v1/query/directory?room_alias={quote(alias, safe='')}"
    status, answer = await s.resident.ask("GET", path)
    assert status == 200
    assert {OURS, RESIDENT} <= set(answer["servers"])
    assert await s.partial(room) is not None


@staged()
async def test_scenario_50_aliases_can_be_added_and_deleted(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    alias = await _alias(s, room)
    (await s.alice.request("DELETE", f"/_matrix/client/v3/directory/room/{part(alias)}")).ok()
    (await s.alice.get(f"/directory/room/{part(alias)}")).refused(404, "M_NOT_FOUND")
    assert await s.partial(room) is not None


@staged()
async def test_scenario_52_can_change_the_display_name(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    path = f"/profile/{part(s.alice.user_id)}/displayname"
    (await asyncio.wait_for(s.alice.put(path, {"displayname": "Alice"}), 5)).ok()
    await s.pause()
    member = (await s.get(room, f"state/m.room.member/{part(s.alice.user_id)}")).ok()
    assert member["displayname"] == "Alice"
    assert s.resident.heard[-1].content["displayname"] == "Alice"
    assert await s.partial(room) is not None
