"""What administrators know by heart to ask with SQL, on both engines."""

import json

from tests.admin.admin import Admin


async def test_users_events_and_what_is_counted_of_rooms(admin: Admin) -> None:
    alice, bob = await admin.server.register("alice"), await admin.server.register("bob")
    room_id = await alice.create_room(name="Kitchen", preset="public_chat")
    await bob.act(room_id, "join")
    await bob.act(room_id, "leave")
    event_id = await alice.say(room_id, "Suppe ä 🍲")
    db = admin.server.db
    names = [row[0] for row in await db.all("SELECT NAME from users;")]
    assert {alice.user_id, bob.user_id} <= set(names)
    told = await db.value("SELECT json FROM event_json WHERE event_id = $1 AND room_id = $2", event_id, room_id)
    assert json.loads(told)["content"]["body"] == "Suppe ä 🍲"
    assert await db.value("SELECT name FROM room_stats_state WHERE room_id = $1", room_id) == "Kitchen"
    state = len((await alice.get(f"/rooms/{room_id}/state")).ok())
    row = await db.one(
        "SELECT joined_members, left_members, banned_members, local_users_in_room, current_state_events"
        " FROM room_stats_current WHERE room_id = $1",
        room_id,
    )
    assert row == (1, 1, 0, 1, state)
    # The rooms with most state, as the manual asks for them.
    rows = await db.all(
        "SELECT s.canonical_alias, g.room_id, count(*) AS n FROM event_json g JOIN room_stats_state s"
        " ON g.room_id = s.room_id GROUP BY s.canonical_alias, g.room_id ORDER BY n DESC LIMIT 10"
    )
    assert [found[1] for found in rows] == [room_id]
