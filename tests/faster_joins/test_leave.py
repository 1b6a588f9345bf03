"""Leaving a partially joined room, coming back, and others of us who come. FJ-34 to FJ-37, scenarios 51 to 59."""

import asyncio

from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, RESIDENT, Stage, staged


async def leave(s: Stage, room: ScriptedRoom) -> None:
    (await s.alice.act(room.room_id, "leave")).ok()
    await s.pause()


async def joined(s: Stage) -> list[str]:
    found: list[str] = (await s.alice.get("/joined_rooms")).ok()["joined_rooms"]
    return found


async def memberships(s: Stage, user_id: str) -> list[str]:
    """The user's memberships that the resident was told of."""
    return [event.membership or "" for event in s.resident.heard if event.type == MEMBER and event.state_key == user_id]


@staged()
async def test_scenario_51_can_fast_join_during_a_partial_join(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    ben = await s.user("ben")
    await s.join(room, ben)
    assert [request.query for request in s.resident.asked("send_join")] == [{"omit_members": "true"}] * 2
    assert room.room_id in (await ben.get("/joined_rooms")).ok()["joined_rooms"]
    assert await s.partial(room) is not None
    said = await ben.say(room.room_id, "hello")
    await s.pause()
    assert said in s.resident.heard_ids()
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id, ben.user_id)


@staged()
async def test_fj_34_another_list_of_servers_in_the_second_answer_does_no_harm(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    s.resident.lie("send_join", lambda request, answer: {**answer, "servers_in_room": ["nowhere.test"], "state": []})
    await s.try_join(room, await s.user("ben"))
    partial = await s.partial(room)
    assert partial is not None
    assert partial.servers >= {RESIDENT, "elsewhere.test"}
    s.resident.lie("send_join", None)
    s.release()
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_fj_34_who_is_banned_does_not_get_in(s: Stage) -> None:
    """We do not know of the ban: the resident does."""
    room = s.room()
    ben = await s.user("ben")
    room.member(ben.user_id, "ban", by=CHARLIE)
    await s.join_partially(room)
    s.resident.refuse("make_join")
    (await s.try_join(room, ben)).refused(403, "M_FORBIDDEN")
    assert room.room_id not in (await ben.get("/joined_rooms")).ok()["joined_rooms"]


@staged()
async def test_two_join_at_once(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    ben = await s.user("ben")
    s.resident.hold("send_join")
    both = asyncio.gather(s.try_join(room), s.try_join(room, ben))
    await s.pause()
    s.resident.release("send_join")
    for answer in await both:
        answer.ok()
    await s.until_full(room)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id, ben.user_id)


@staged()
async def test_scenario_53_a_leave_during_the_resync_is_seen_after_it(s: Stage) -> None:
    """Charlie's server sees it, and so do ours: another of us keeps the room here."""
    room = s.room(members=[DEREK, ELSIE])
    ben = await s.user("ben")
    await s.join_partially(room)
    await s.join(room, ben)
    await leave(s, room)
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    assert room.state[MEMBER, s.alice.user_id].membership == "leave"
    members = (await s.get(room, "joined_members", ben)).ok()["joined"]
    assert sorted(members) == sorted([CHARLIE, DEREK, ELSIE, ben.user_id])


@staged()
async def test_scenario_54_a_leave_does_not_wait_for_the_resync(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    await leave(s, room)
    assert await memberships(s, s.alice.user_id) == ["leave"]
    heard = s.server("elsewhere.test").heard
    assert [event.membership for event in heard if event.state_key == s.alice.user_id][-1:] == ["leave"]
    # It is made here: nobody is asked to let us out.
    assert s.resident.asked("make_leave", "send_leave") == []
    assert await joined(s) == []


@staged()
async def test_scenario_55_a_leave_works_after_a_second_partial_join(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    await leave(s, room)
    await s.join(room)
    assert await s.partial(room) is not None
    assert len(s.resident.asked("send_join")) == 2
    await leave(s, room)
    assert await memberships(s, s.alice.user_id) == ["leave", "leave"]
    assert await joined(s) == []


@staged()
async def test_scenario_56_a_leave_succeeds_and_then_a_rejoin(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    await leave(s, room)
    await s.join(room)
    assert await joined(s) == [room.room_id]
    said = await s.alice.say(room.room_id, "back")
    await s.pause()
    assert said in s.resident.heard_ids()
    assert await s.partial(room) is not None
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id)


@staged()
async def test_scenario_57_a_leave_succeeds_and_then_another_user_joins(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    await leave(s, room)
    ben = await s.user("ben")
    await s.join(room, ben)
    assert await s.partial(room) is not None
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    members = (await s.get(room, "joined_members", ben)).ok()["joined"]
    assert sorted(members) == sorted([CHARLIE, DEREK, ELSIE, ben.user_id])


@staged()
async def test_fj_35_a_leave_is_made_here_and_goes_to_all_servers(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    ben = await s.user("ben")
    await s.join_partially(room)
    await s.join(room, ben)
    began = asyncio.get_running_loop().time()
    (await s.alice.act(room.room_id, "leave")).ok()
    assert asyncio.get_running_loop().time() - began < 1
    await s.pause()
    for server in (s.resident, s.server("elsewhere.test")):
        (leave,) = [event for event in server.heard if event.membership == "leave"]
        assert (leave.sender, leave.state_key) == (s.alice.user_id, s.alice.user_id)
        # It cites the user's own join, as far as we know what authorises it.
        assert room.state[MEMBER, ben.user_id].membership == "join"
    assert s.resident.asked("make_leave", "send_leave") == []


async def _removed(s: Stage, membership: str) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    await s.tell(room.member(s.alice.user_id, membership, by=CHARLIE))
    assert await joined(s) == []
    assert await s.rows("rooms", "room_id") == []
    asked = len(s.resident.asked("state", "state_ids"))
    s.release()
    await s.pause(3600)
    assert len(s.resident.asked("state", "state_ids")) == asked


@staged()
async def test_scenario_58_a_remote_kick_ends_it(s: Stage) -> None:
    await _removed(s, "leave")


@staged()
async def test_scenario_59_a_remote_ban_ends_it(s: Stage) -> None:
    await _removed(s, "ban")


@staged()
async def test_fj_36_a_kick_of_one_of_two_does_not_end_it(s: Stage) -> None:
    room = s.room(members=[DEREK])
    ben = await s.user("ben")
    await s.join_partially(room)
    await s.join(room, ben)
    await s.tell(room.member(s.alice.user_id, "leave", by=CHARLIE))
    assert await joined(s) == []
    assert await s.partial(room) is not None
    s.release()
    await s.until_full(room)
    await s.check_full(room)


@staged()
async def test_fj_37_after_the_last_leave_nothing_is_asked_any_more(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    await leave(s, room)
    for table, column in (("rooms", "room_id"), ("resyncs", "room_nid")):
        assert await s.rows(table, column) == []
    asked = len(s.resident.requests)
    s.release()
    await s.restart()
    await s.pause(3600)
    assert len(s.resident.requests) == asked


@staged()
async def test_after_a_kick_the_room_is_seen_as_left(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    since = (await s.sync(lazy=True))["next_batch"]
    await s.tell(room.member(s.alice.user_id, "leave", by=CHARLIE))
    left = (await s.sync(lazy=True, since=since))["rooms"]["leave"][room.room_id]
    assert left["timeline"]["events"][-1]["content"]["membership"] == "leave"
    assert room.room_id not in (await s.sync(lazy=True)).get("rooms", {}).get("join", {})


@staged(faster_joins={"give_up_after": "1d"})
async def test_a_room_that_nobody_tells_of_is_left_in_the_end(s: Stage) -> None:
    room = s.room()
    s.resident.refuse("state", 404, "M_NOT_FOUND")
    s.resident.refuse("state_ids", 404, "M_NOT_FOUND")
    await s.join(room)
    await s.pause(12 * 3600)
    assert await joined(s) == [room.room_id]
    await s.pause(14 * 3600)
    assert await joined(s) == []
    (event,) = [event for event in s.resident.heard if event.membership == "leave"]
    assert event.state_key == s.alice.user_id
    assert event.content["reason"]
