"""Changes of our users' devices during the resync: whom they reach. Scenarios 32 to 38."""

from tests.e2ee.person import Person
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, RESIDENT, Stage, staged

OTHER = "elsewhere.test"
NEW = "new.test"
FAY = f"@fay:{NEW}"
UPDATE = "m.device_list_update"


def told(s: Stage, server: str) -> list[str]:
    """The names of alice's device that a server was told, in order."""
    updates = s.server(server).heard_edus(UPDATE)
    return [update.get("device_display_name", "") for update in updates if update["user_id"] == s.alice.user_id]


async def rename(s: Stage, name: str) -> None:
    """Alice's device list changes."""
    (await s.alice.put("/devices/PLAY", {"display_name": name})).ok()
    await s.pause(30)


async def ready(s: Stage) -> None:
    """Alice has a device with keys, and servers are told the names of devices."""
    await Person(s.alice, "PLAY").publish()


SHOWN = {"allow_device_name_lookup_over_federation": True}


@staged(**SHOWN)
async def test_scenario_32_they_reach_all_servers_of_the_room(s: Stage) -> None:
    await ready(s)
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    await rename(s, "one")
    assert await s.partial(room) is not None
    assert told(s, RESIDENT)[-1:] == told(s, OTHER)[-1:] == ["one"]


@staged(**SHOWN)
async def test_scenario_33_they_reach_servers_that_come_in(s: Stage) -> None:
    await ready(s)
    room = s.room(members=[DEREK])
    s.server(NEW)
    await s.join_partially(room)
    await s.tell(room.member(FAY, "join"))
    await rename(s, "one")
    assert await s.partial(room) is not None
    assert told(s, NEW)[-1:] == ["one"]
    s.release()
    await s.until_full(room)
    await rename(s, "two")
    assert told(s, NEW)[-1:] == ["two"]


@staged(**SHOWN)
async def test_scenario_34_they_do_not_reach_departed_servers_in_the_end(s: Stage) -> None:
    await ready(s)
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    await s.tell(room.member(ELSIE, "leave"))
    await rename(s, "one")
    s.release()
    await s.until_full(room)
    await rename(s, "two")
    assert told(s, RESIDENT)[-1:] == ["two"]
    assert "two" not in told(s, OTHER)


async def wrongly_kicked(s: Stage) -> ScriptedRoom:
    """Fay has come in, and has been kicked by somebody who may not do that any more."""
    room = s.room(members=[DEREK, ELSIE], levels={ELSIE: 50})
    s.server(NEW)
    before = dict(room.state)
    room.member(ELSIE, "ban", by=CHARLIE)
    await s.join_partially(room)
    join = room.member(FAY, "join")
    await s.tell(join)
    standing = {**before, (MEMBER, FAY): join}
    kick = room.forge(MEMBER, {"membership": "leave"}, sender=ELSIE, state_key=FAY, state=standing)
    await s.tell(kick)
    assert (await s.state_ids(room))[MEMBER, FAY] == kick.event_id
    return room


@staged(**SHOWN)
async def test_scenario_35_they_reach_wrongly_kicked_servers_in_the_end(s: Stage) -> None:
    await ready(s)
    room = await wrongly_kicked(s)
    await rename(s, "one")
    assert await s.partial(room) is not None
    s.release()
    await s.until_full(room)
    await s.pause(60)
    assert told(s, NEW)[-1:] == ["one"]


@staged(**SHOWN)
async def test_scenario_36_they_reach_wrongly_kicked_servers_that_have_left_since(s: Stage) -> None:
    await ready(s)
    room = await wrongly_kicked(s)
    await rename(s, "one")
    await s.tell(room.member(FAY, "leave"))
    s.release()
    await s.until_full(room)
    await s.pause(60)
    assert told(s, NEW)[-1:] == ["one"]
    await rename(s, "two")
    assert "two" not in told(s, NEW)


async def wrongly_absent(s: Stage) -> ScriptedRoom:
    """Elsie's server is in the room, and the resident does not say so."""
    room = s.room(members=[DEREK, ELSIE])
    s.resident.lie("send_join", lambda request, answer: {**answer, "servers_in_room": [RESIDENT]})
    await s.join_partially(room)
    await rename(s, "one")
    assert told(s, RESIDENT)[-1:] == ["one"]
    return room


@staged(**SHOWN)
async def test_scenario_37_they_reach_wrongly_absent_servers_in_the_end(s: Stage) -> None:
    await ready(s)
    room = await wrongly_absent(s)
    s.release()
    await s.until_full(room)
    await s.pause(60)
    assert told(s, OTHER)[-1:] == ["one"]


@staged(**SHOWN)
async def test_scenario_38_they_reach_wrongly_absent_servers_that_have_left_since(s: Stage) -> None:
    await ready(s)
    room = await wrongly_absent(s)
    await s.tell(room.member(ELSIE, "leave"))
    s.release()
    await s.until_full(room)
    await s.pause(60)
    assert told(s, OTHER)[-1:] == ["one"]
    await rename(s, "two")
    assert "two" not in told(s, OTHER)


@staged(**SHOWN)
async def test_nobody_is_told_twice_in_the_end(s: Stage) -> None:
    await ready(s)
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    await rename(s, "one")
    before = told(s, RESIDENT), told(s, OTHER)
    s.release()
    await s.until_full(room)
    await s.pause(60)
    assert (told(s, RESIDENT), told(s, OTHER)) == before


@staged(**SHOWN)
async def test_a_restart_does_not_forget_whom_to_tell(s: Stage) -> None:
    await ready(s)
    room = await wrongly_absent(s)
    await s.restart()
    s.release()
    await s.until_full(room)
    await s.pause(60)
    assert told(s, OTHER)[-1:] == ["one"]


@staged(**SHOWN)
async def test_a_crash_right_after_the_room_has_become_full_does_not_forget_whom_to_tell(s: Stage) -> None:
    await ready(s)
    room = await wrongly_absent(s)
    s.ours.federation.edus.missed.start = lambda: None  # type: ignore[method-assign]
    s.ours.federation.edus.missed._look = lambda: None  # type: ignore[method-assign]
    s.release()
    await s.until_full(room)
    await s.pause(60)
    assert told(s, OTHER) == []
    await s.restart()
    await s.pause(60)
    assert told(s, OTHER)[-1:] == ["one"]
    assert await s.rows("missed_devices", "room_nid") == []


@staged(**SHOWN)
async def test_a_crash_before_they_are_told_does_not_forget_them(s: Stage) -> None:
    await ready(s)
    room = await wrongly_absent(s)
    s.server(OTHER).hold("send")
    s.release()
    await s.until_full(room)
    await s.pause(1)
    assert await s.rows("missed_devices", "room_nid") == []
    await s.restart()
    s.release()
    s.server(OTHER).release("send")
    await s.pause(120)
    assert told(s, OTHER)[-1:] == ["one"]
