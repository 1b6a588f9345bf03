"""Rooms that an administrator deletes while not every member is known: the resync ends with them. Scenario 62."""

from typing import Any

from tests.api.asgi import Client, part
from tests.faster_joins.room import ScriptedRoom
from tests.faster_joins.stage import DEREK, ELSIE, OURS, Stage, staged

TABLES = ("rooms", "events", "rooms_servers", "resyncs", "members", "missed_devices")
COLUMNS = {"rooms": "room_id", "events": "event_id", "rooms_servers": "server_name"}


async def administrator(s: Stage) -> Client:
    """Somebody who may delete rooms."""
    root = await s.user("root")
    await s.ours.users.account_changes.set_flag(root.user_id, "admin", value=True)
    return root


async def delete(s: Stage, root: Client, room: ScriptedRoom, **how: Any) -> None:
    """The room is deleted."""
    path = f"/_synapse/admin/v1/rooms/{part(room.room_id)}"
    (await root.request("DELETE", path, {"purge": True, "force_purge": True, **how})).ok()


async def check_gone(s: Stage, room: ScriptedRoom) -> None:
    """Nothing is left of the room."""
    for table in TABLES:
        assert await s.rows(table, COLUMNS.get(table, "room_nid")) == [], table
    assert await s.ours.rooms.rooms.find(room.room_id) is None
    assert s.ours.rooms.rooms.partials.every() == []
    assert not s.ours.federation.resyncs.is_busy


@staged()
async def test_scenario_62_purge_while_the_state_is_being_fetched(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    root = await administrator(s)
    await s.join_partially(room)
    await s.tell(room.say("hello", sender=DEREK))
    await delete(s, root, room)
    await check_gone(s, room)
    asked = len(s.resident.asked("state", "state_ids"))
    s.release()
    await s.pause(3600)
    assert len(s.resident.asked("state", "state_ids")) == asked
    await check_gone(s, room)


@staged()
async def test_scenario_62_purge_while_the_next_attempt_is_waited_for(s: Stage) -> None:
    room = s.room()
    root = await administrator(s)
    s.resident.refuse("state")
    s.resident.refuse("state_ids")
    await s.join(room)
    await s.pause(60)
    await delete(s, root, room)
    await check_gone(s, room)
    await s.restart()
    await check_gone(s, room)


@staged()
async def test_scenario_62_members_of_a_purged_room_are_not_waited_for(s: Stage) -> None:
    room = s.room()
    root = await administrator(s)
    await s.join_partially(room)
    await delete(s, root, room)
    assert (await s.get(room, "members")).status in (403, 404)


@staged()
async def test_scenario_62_a_purged_room_can_be_joined_again(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    root = await administrator(s)
    await s.join_partially(room)
    await delete(s, root, room)
    s.release()
    await s.join(room)
    await s.until_full(room)
    await s.check_full(room)
    assert OURS in {user_id.partition(":")[2] for _, user_id in await s.state_ids(room)}
