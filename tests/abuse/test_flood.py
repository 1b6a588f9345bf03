"""Whoever asks too much is told to wait, and nobody else is; the limits are those that a new server has."""

from pathlib import Path

from tests.api.homeserver import OPTIONS, Homeserver, running

FLOOD = 200


async def _flooded(homeserver: Homeserver) -> None:
    mallory, alice = [await homeserver.register(name) for name in ("mallory", "alice")]
    room_id, other_room_id = await mallory.create_room(), await alice.create_room()
    before = await homeserver.db.value("SELECT COUNT(*) FROM events")
    sent, refused = 0, 0
    for number in range(FLOOD):
        answer = await mallory.send(room_id, "m.room.message", {"msgtype": "m.text", "body": f"{number}"})
        if answer.status == 200:
            sent += 1
        else:
            assert answer.refused(429, "M_LIMIT_EXCEEDED")["retry_after_ms"] > 0
            assert int(answer.headers["retry-after"]) > 0
            refused += 1
    assert refused > FLOOD / 2
    assert await homeserver.db.value("SELECT COUNT(*) FROM events") == before + sent
    await alice.say(other_room_id, "I am heard")


async def test_a_flood_of_messages_is_the_flooders_own(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    rate = {"per_second": 0.2, "burst_count": 10}
    async with running(database, rc_message=rate) as homeserver:
        await _flooded(homeserver)


async def test_guesses_of_a_password_end(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    few = {"per_second": 0.003, "burst_count": 5}
    limits = {**dict.fromkeys(("address", "account"), OPTIONS["rc_login"]["address"]), "failed_attempts": few}
    async with running(database, rc_login=limits) as homeserver:
        await homeserver.register("alice")
        identifier = {"type": "m.id.user", "user": "alice"}
        for number in range(20):
            body = {"type": "m.login.password", "identifier": identifier, "password": f"guess {number}"}
            answer = await homeserver.stranger().post("/login", body)
            if number < 5:
                answer.refused(403, "M_FORBIDDEN")
            else:
                answer.refused(429, "M_LIMIT_EXCEEDED")
        # Not even the right one is tried any more.
        body = {"type": "m.login.password", "identifier": identifier, "password": "correct horse"}
        (await homeserver.stranger().post("/login", body)).refused(429, "M_LIMIT_EXCEEDED")
