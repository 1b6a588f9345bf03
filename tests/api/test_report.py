"""Reporting events, rooms and users."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.api.asgi import Answer, Client, in_room, part
from tests.api.homeserver import Homeserver, running

OFTEN = {"per_second": 10_000, "burst_count": 10_000}


async def report(client: Client, path: str, **body: object) -> Answer:
    return await client.post(f"{path}/report", body)


async def rows(homeserver: Homeserver, table: str) -> list[tuple[Any, ...]]:
    return [tuple(row)[2:] for row in await homeserver.db.all(f"SELECT * FROM {table} ORDER BY report_nid")]


async def test_an_event_is_reported_by_who_sees_it(tmp_path: Path) -> None:
    async with server(tmp_path) as homeserver:
        alice, bob, carol = [await homeserver.register(name) for name in ("alice", "bob", "carol")]
        room_id = await alice.create_room(
            preset="public_chat",
            initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}],
        )
        earlier = await alice.say(room_id, "before")
        (await bob.act(room_id, "join")).ok()
        event_id = await alice.say(room_id, "rude")
        path = f"{in_room(room_id)}/report/{part(event_id)}"
        assert (await bob.post(path, {"reason": "rude\u0000", "score": -100})).ok() == {}
        assert (await bob.post(path, {"score": 5, "reason": None})).ok() == {}
        assert (await bob.post(path, {})).ok() == {}
        (await carol.post(path, {})).refused(404, "M_NOT_FOUND")
        for other in (earlier, "$nothing"):
            (await bob.post(f"{in_room(room_id)}/report/{part(other)}", {})).refused(404, "M_NOT_FOUND")
        (await bob.post(f"/rooms/!no:where/report/{part(event_id)}", {})).refused(404, "M_NOT_FOUND")
        (await bob.post(path, {"reason": 1})).refused(400, "M_BAD_JSON")
        (await bob.post(path, {"reason": "x" * 9000})).refused(413, "M_TOO_LARGE")
        (await bob.act(room_id, "leave")).ok()
        (await bob.post(path, {})).refused(404, "M_NOT_FOUND")
        about = (room_id, event_id, bob.user_id)
        assert await rows(homeserver, "event_reports") == [
            (-100, *about, b"rude\0", alice.user_id),
            (None, *about, None, alice.user_id),
            (None, *about, None, alice.user_id),
        ]


async def test_a_room_is_reported_by_anybody(tmp_path: Path) -> None:
    async with server(tmp_path) as homeserver:
        alice, bob = [await homeserver.register(name) for name in ("alice", "bob")]
        room_id = await alice.create_room()
        assert (await report(bob, in_room(room_id), reason="rude")).ok() == {}
        assert (await report(bob, in_room(room_id), reason="")).ok() == {}
        (await report(bob, in_room(room_id))).refused(400, "M_BAD_JSON")
        (await report(bob, "/rooms/!no:where", reason="x")).refused(404, "M_NOT_FOUND")
        assert await rows(homeserver, "room_reports") == [
            (room_id, bob.user_id, b"rude"),
            (room_id, bob.user_id, b""),
        ]


async def test_a_user_is_reported_by_anybody(tmp_path: Path) -> None:
    async with server(tmp_path) as homeserver:
        alice, bob = [await homeserver.register(name) for name in ("alice", "bob")]
        assert (await report(bob, f"/users/{part(alice.user_id)}", reason="rude")).ok() == {}
        (await report(bob, f"/users/{part(alice.user_id)}")).refused(400, "M_BAD_JSON")
        (await report(bob, "/users/nonsense", reason="x")).refused(400, "M_INVALID_PARAM")
        for unknown in ("@nobody:ranvier.test", "@nobody:else.where"):
            (await report(bob, f"/users/{part(unknown)}", reason="x")).refused(404, "M_NOT_FOUND")
        assert await rows(homeserver, "user_reports") == [(alice.user_id, bob.user_id, b"rude")]


async def test_reports_are_limited(tmp_path: Path) -> None:
    async with server(tmp_path, rc_reports={"per_second": 0.001, "burst_count": 2}) as homeserver:
        alice, bob = [await homeserver.register(name) for name in ("alice", "bob")]
        room_id = await alice.create_room()
        (await report(bob, in_room(room_id), reason="")).ok()
        (await report(bob, f"/users/{part(alice.user_id)}", reason="")).ok()
        (await report(bob, in_room(room_id), reason="")).refused(429, "M_LIMIT_EXCEEDED")


def server(tmp_path: Path, **options: object) -> Any:
    limits: Mapping[str, object] = {"rc_reports": OFTEN}
    return running({"name": "sqlite3", "args": {"database": str(tmp_path / "reports.db")}}, **{**limits, **options})


async def test_on_each_database(homeserver_on_each: Homeserver) -> None:
    alice = await homeserver_on_each.register("alice")
    room_id = await alice.create_room()
    event_id = await alice.say(room_id, "x")
    (await alice.post(f"{in_room(room_id)}/report/{part(event_id)}", {"reason": "\u0000"})).ok()
    (await report(alice, in_room(room_id), reason="\u0000")).ok()
    (await report(alice, f"/users/{part(alice.user_id)}", reason="\u0000")).ok()
    assert (await rows(homeserver_on_each, "user_reports"))[0][-1] == b"\0"
