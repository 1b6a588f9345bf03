"""Joining with partial state: what is asked, what is noted, and what is believed. FJ-1 to FJ-8."""

from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, RESIDENT, Stage, staged


@staged()
async def test_fj_01_a_join_asks_for_partial_state(s: Stage) -> None:
    room = s.room()
    await s.join_partially(room)
    (asked,) = s.resident.asked("send_join")
    assert asked.query == {"omit_members": "true"}


async def _joins_in_full(s: Stage) -> None:
    room = s.room()
    await s.join(room)
    (asked,) = s.resident.asked("send_join")
    assert "omit_members" not in asked.query or asked.query["omit_members"] == "false"
    assert s.resident.asked("state", "state_ids") == []
    await s.check_full(room)


@staged(experimental={"faster_joins": False})
async def test_fj_02_it_is_switched_off_by_experimental(s: Stage) -> None:
    await _joins_in_full(s)


@staged(experimental_features={"faster_joins": False})
async def test_fj_02_it_is_switched_off_by_experimental_features(s: Stage) -> None:
    await _joins_in_full(s)


@staged()
async def test_fj_04_the_room_is_marked(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    rows = await s.ours.db.all(
        "SELECT room_id, join_event_id, joined_via, device_lists_stream_id FROM partial_state_rooms"
    )
    assert [tuple(row)[:3] for row in rows] == [(room.room_id, join.event_id, RESIDENT)]
    assert isinstance(rows[0][3], int)


@staged()
async def test_fj_05_the_join_is_marked(s: Stage) -> None:
    room = s.room()
    join = await s.join_partially(room)
    assert await s.rows("events") == [join.event_id]
    assert await s.rows("events", "room_id") == [room.room_id]


@staged()
async def test_fj_08_every_server_of_the_answer_is_noted(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    assert await s.rows("rooms_servers", "server_name") == ["elsewhere.test", RESIDENT]


@staged()
async def test_a_resident_that_answers_in_full_is_believed(s: Stage) -> None:
    s.resident.answers_in_full = True
    room = s.room()
    await s.join(room)
    await s.check_full(room)
    assert s.resident.asked("state", "state_ids") == []


@staged()
async def test_the_full_state_follows(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE])
    await s.join_partially(room)
    s.release()
    await s.until_full(room)
    await s.check_full(room)
    await s.check_joined(room, CHARLIE, DEREK, ELSIE, s.alice.user_id)
