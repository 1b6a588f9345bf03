"""`/_synapse/admin/v1/purge_history`: old messages are gone wherever one can look, and what is true in the room stays."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from ranvier.db.engine import Database, DatabaseError
from ranvier.rooms import purge_history
from ranvier.store import history_purge
from tests.admin.admin import Admin
from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import running


async def purged(admin: Admin, path: str, body: object) -> str:
    """Purge, and wait for the end; what is said then."""
    purge_id = (await admin.post(f"/v1/purge_history/{path}", body))["purge_id"]
    return await until_done(admin, purge_id)


async def until_done(admin: Admin, purge_id: str) -> str:
    while True:
        status: str = (await admin.get(f"/v1/purge_history_status/{purge_id}"))["status"]
        if status != "active":
            return status
        await asyncio.sleep(0.01)


async def bodies(client: Client, room_id: str) -> list[str]:
    """What has been said in a room, as far as it can still be read."""
    chunk = (await client.get(f"{in_room(room_id)}/messages", dir="f", limit="1000")).ok()["chunk"]
    return [event["content"].get("body", "?") for event in chunk if event["type"] == "m.room.message"]


async def unread(client: Client, room_id: str) -> int:
    room = (await client.get("/sync", timeout="0")).ok()["rooms"]["join"][room_id]
    count: int = room["unread_notifications"]["notification_count"]
    return count


async def rows_of(db: Database, event_ids: list[str]) -> int:
    count: int = await db.value("SELECT COUNT(*) FROM events WHERE event_id = ANY($1)", event_ids)
    return count


@pytest.fixture
async def anna(admin: Admin) -> Client:
    return await admin.server.register("anna")


async def test_what_was_said_is_gone_and_what_is_true_stays(admin: Admin, anna: Client) -> None:
    bob, carl = await admin.server.register("bob"), await admin.server.register("carl")
    room_id = await anna.create_room(preset="public_chat", name="Archive")
    (await bob.act(room_id, "join")).ok()
    (await carl.act(room_id, "join")).ok()
    said = [await anna.say(room_id, f"old {n}") for n in range(5)]
    (await anna.set_state(room_id, "m.room.topic", {"topic": "kept"})).ok()
    thread = {"rel_type": "m.thread", "event_id": said[0]}
    answer = (await bob.send(room_id, "m.room.message", {"body": "old answer", "m.relates_to": thread})).ok()[
        "event_id"
    ]
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": said[1], "key": "x"}}
    (await bob.send(room_id, "m.reaction", reaction)).ok()
    before = (await bob.get("/sync", timeout="0")).ok()["next_batch"]
    new = await anna.say(room_id, "new")
    assert await unread(carl, room_id) == 7
    late = {"rel_type": "m.reference", "event_id": said[2]}
    last = (await bob.send(room_id, "m.room.message", {"body": "newer", "m.relates_to": late})).ok()["event_id"]
    state = (await anna.get(f"{in_room(room_id)}/state")).ok()

    assert await purged(admin, f"{part(room_id)}/{part(new)}", {"delete_local_events": True}) == "complete"

    assert await bodies(anna, room_id) == ["new", "newer"]
    assert await rows_of(admin.server.db, [*said, answer]) == 0
    for event_id in (*said, answer):
        for path in (f"event/{part(event_id)}", f"context/{part(event_id)}"):
            (await anna.get(f"{in_room(room_id)}/{path}")).refused(404, "M_NOT_FOUND")
        relations = f"/_matrix/client/v1{in_room(room_id)}/relations/{part(event_id)}"
        (await anna.request("GET", relations)).refused(404, "M_NOT_FOUND")
        (await admin.ask("GET", f"/v1/fetch_event/{part(event_id)}")).refused(404, "M_NOT_FOUND")
    threads = await anna.request("GET", f"/_matrix/client/v1{in_room(room_id)}/threads")
    assert threads.ok()["chunk"] == []
    for path in ("/v1/rooms/{}/messages?from=t0&dir=f", "/v1/rooms/{}/timestamp_to_event?ts=1&dir=f"):
        assert "old" not in str(await admin.get(path.format(part(room_id))))

    key = "event_id"
    assert sorted(one[key] for one in (await anna.get(f"{in_room(room_id)}/state")).ok()) == sorted(
        one[key] for one in state
    )
    for client, since in ((bob, ""), (bob, before), (anna, ""), (carl, "")):
        whole = (await client.get("/sync", timeout="0", **({"since": since} if since else {}))).ok()
        timeline = whole["rooms"]["join"][room_id]["timeline"]["events"]
        shown = [event["content"].get("body") for event in timeline]
        assert shown[-2:] == ["new", "newer"] and "old 4" not in shown
    assert await unread(carl, room_id) == 2
    listed = (await carl.get("/notifications")).ok()["notifications"]
    said_last = [one["event"]["content"].get("body") for one in listed if one["event"]["type"] == "m.room.message"]
    assert said_last == ["newer", "new"]
    # The room goes on where it was.
    assert (await bob.get(f"{in_room(room_id)}/context/{part(last)}")).ok()["event"]["event_id"] == last
    await anna.say(room_id, "newest")
    assert await bodies(bob, room_id) == ["new", "newer", "newest"]


async def test_by_default_what_local_users_said_stays(admin: Admin, anna: Client) -> None:
    room_id = await anna.create_room()
    await anna.say(room_id, "one")
    event_id = await anna.say(room_id, "two")
    assert await purged(admin, part(room_id), {"purge_up_to_event_id": event_id}) == "complete"
    assert await bodies(anna, room_id) == ["one", "two"]


async def test_the_last_message_stays(admin: Admin, anna: Client) -> None:
    room_id = await anna.create_room()
    await anna.say(room_id, "one")
    await anna.say(room_id, "two")
    (await anna.set_state(room_id, "m.room.topic", {"topic": "x"})).ok()
    wish = {"delete_local_events": True, "purge_up_to_ts": 1 << 60}
    assert await purged(admin, part(room_id), wish) == "complete"
    assert await bodies(anna, room_id) == ["two"]


async def test_by_time(admin: Admin, anna: Client) -> None:
    room_id = await anna.create_room()
    await anna.say(room_id, "one")
    event_id = await anna.say(room_id, "two")
    await anna.say(room_id, "three")
    ts = (await anna.get(f"{in_room(room_id)}/event/{part(event_id)}")).ok()["origin_server_ts"]
    assert await purged(admin, part(room_id), {"delete_local_events": True, "purge_up_to_ts": ts + 1}) == "complete"
    assert "one" not in await bodies(anna, room_id) and "three" in await bodies(anna, room_id)
    (await admin.ask("POST", f"/v1/purge_history/{part(room_id)}", {"purge_up_to_ts": 1})).refused(404, "M_NOT_FOUND")


async def test_wishes_that_cannot_be(admin: Admin, anna: Client) -> None:
    room_id, other = await anna.create_room(), await anna.create_room()
    event_id = await anna.say(other, "elsewhere")
    path = f"/v1/purge_history/{part(room_id)}"
    (await admin.ask("POST", path, {})).refused(400, "M_BAD_JSON")
    (await admin.ask("POST", path, {"purge_up_to_ts": "x"})).refused(400, "M_BAD_JSON")
    (await admin.ask("POST", path, {"purge_up_to_event_id": "$none"})).refused(404, "M_NOT_FOUND")
    (await admin.ask("POST", path, {"purge_up_to_event_id": "\0"})).refused(404, "M_NOT_FOUND")
    (await admin.ask("POST", f"{path}/{part(event_id)}", {})).refused(400, "M_UNKNOWN")
    (await admin.ask("POST", "/v1/purge_history/!none", {"purge_up_to_ts": 5})).refused(404, "M_NOT_FOUND")
    (await admin.ask("GET", "/v1/purge_history_status/none")).refused(404, "M_NOT_FOUND")
    (await admin.ask("POST", path, {}, client=anna)).refused(403, "M_FORBIDDEN")


async def test_a_purge_goes_on_after_a_restart(db_config: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge_history, "PORTION", 3)
    async with running(db_config) as server:
        admin = await Admin.of(server)
        anna = await server.register("anna")
        room_id = await anna.create_room()
        said = [await anna.say(room_id, f"old {n}") for n in range(10)]
        last = await anna.say(room_id, "new")
        delete, left = history_purge.delete, [2]

        async def cut_off(*args: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise DatabaseError("The database has gone")
            await delete(*args)

        monkeypatch.setattr(history_purge, "delete", cut_off)
        purge_id = (await admin.post(f"/v1/purge_history/{part(room_id)}/{part(last)}", {"delete_local_events": True}))[
            "purge_id"
        ]
        again = {"delete_local_events": True, "purge_up_to_event_id": last}
        (await admin.ask("POST", f"/v1/purge_history/{part(room_id)}", again)).refused(400, "M_UNKNOWN")
        while left[0] >= 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # It is what stands in for the database that has to say so.
        assert await rows_of(server.db, said) == 4
        assert (await admin.get(f"/v1/purge_history_status/{purge_id}"))["status"] == "active"
    monkeypatch.setattr(history_purge, "delete", delete)
    async with running(db_config) as server:
        admin = Admin(server, admin.client.at(server.app))
        assert await until_done(admin, purge_id) == "complete"
        assert await rows_of(server.db, said) == 0
        assert await bodies(anna.at(server.app), room_id) == ["new"]


async def test_what_was_counted_before_a_restart_is_counted_again(db_config: Mapping[str, Any]) -> None:
    async with running(db_config) as server:
        anna, carl = await server.register("anna"), await server.register("carl")
        room_id = await anna.create_room(preset="public_chat")
        (await carl.act(room_id, "join")).ok()
        for number in range(110):
            await anna.say(room_id, f"old {number}")
        last = await anna.say(room_id, "new")
        assert await unread(carl, room_id) == 111
        admin = await Admin.of(server)
    async with running(db_config) as server:
        assert await server.db.value("SELECT COUNT(*) FROM unread") == 1
        admin = Admin(server, admin.client.at(server.app))
        wish = {"delete_local_events": True, "purge_up_to_event_id": last}
        assert await purged(admin, part(room_id), wish) == "complete"
        assert await unread(carl.at(server.app), room_id) == 1
