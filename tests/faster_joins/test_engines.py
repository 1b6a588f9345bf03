"""A whole partial join on each database, in real time."""

from pathlib import Path

from ranvier.db.engine import Database
from ranvier.db.open import open_database
from tests.databases import database_config
from tests.faster_joins.room import MEMBER
from tests.faster_joins.stage import CHARLIE, DEREK, ELSIE, Stage, play_in
from tests.plays.world import world


async def act(s: Stage) -> None:
    room = s.room(members=[DEREK, ELSIE, *[f"@user{number}:resident.test" for number in range(40)]])
    before = dict(room.state)
    room.member(ELSIE, "ban", by=CHARLIE)
    await s.join_partially(room)
    ben = await s.user("ben")
    await s.join(room, ben)
    wrong = room.forge("m.room.message", {"body": "boo"}, sender=ELSIE, state=before)
    for event in (room.say("hello", sender=DEREK), wrong, room.member("@user7:resident.test", "leave")):
        await s.resident.send(event) if event is not wrong else await s.server("elsewhere.test").send(event)
        await s.pause(0.3)
    await s.alice.say(room.room_id, "hello you")
    (await ben.act(room.room_id, "leave")).ok()
    await s.pause(0.3)
    assert len(await s.rows("events")) == 7
    await s.restart(crash=False)
    assert await s.partial(room) is not None
    s.release()
    await s.until_full(room, at_most_s=30)
    await s.check_full(room)
    assert wrong.event_id not in await s.shown(room)
    assert room.state[MEMBER, ben.user_id].membership == "leave"
    # And once more, by who has been there.
    (await s.alice.act(room.room_id, "leave")).ok()
    await s.pause(0.3)
    for server in s.residents.values():
        server.hold()
    await s.join(room)
    await s.restart(crash=False)
    s.release()
    await s.until_full(room, at_most_s=30)
    await s.check_full(room)


async def test_a_partial_join(tmp_path: Path, db_config: dict[str, object]) -> None:
    async def opens(name: str) -> Database:
        return await open_database(database_config(db_config), now_ms=1)

    async with world(1, tmp_path) as w:
        w.opens = opens
        w.network.faults.delay_s = 0.01
        await play_in(w, act)
