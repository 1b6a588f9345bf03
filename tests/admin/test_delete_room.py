"""`DELETE /_synapse/admin/v1/rooms/{}`, v2, and their status."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from ranvier.db.engine import Database, DatabaseError
from ranvier.store import room_purge
from tests.admin.admin import Admin
from tests.api.asgi import Client, in_room, part
from tests.api.homeserver import running

KEPT = {"event_reports", "room_reports", "key_backup_keys", "blocked_rooms"}
"""Reports outlive what they are about; backups are their users'; a block is for rooms that are not there."""


def v1(room_id: str) -> str:
    return f"/v1/rooms/{part(room_id)}"


def v2(room_id: str) -> str:
    return f"/v2/rooms/{part(room_id)}"


async def columns(db: Database) -> list[tuple[str, str]]:
    """Every table, with every column of it."""
    if db.dialect == "sqlite":
        sql = "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    else:
        sql = (
            "SELECT table_name, column_name FROM information_schema.columns c JOIN information_schema.tables t"
            " USING (table_schema, table_name) WHERE table_schema = current_schema() AND t.table_type = 'BASE TABLE'"
        )
    return [(row[0], row[1]) for row in await db.all(sql)]


async def traces(db: Database, room_nid: int, room_id: str, event_nids: list[int]) -> dict[str, int]:
    """How many rows of each table say anything of a room."""
    wanted: Mapping[str, Any] = {"room_nid": [room_nid], "room_id": [room_id], "event_nid": event_nids}
    found = {}
    for table, column in await columns(db):
        if column in wanted and table not in KEPT:
            count = await db.value(f"SELECT COUNT(*) FROM {table} WHERE {column} = ANY($1)", wanted[column])
            if count:
                found[f"{table}.{column}"] = count
    return found


async def full_room(admin: Admin, alice: Client, bob: Client) -> tuple[str, int, list[int]]:
    """A room of which there is something in every table that can be filled here: id, number, events."""
    room_id = await alice.create_room(
        name="Doomed", preset="public_chat", room_alias_name="doomed", visibility="public", invite=["@x:elsewhere.test"]
    )
    (await bob.act(room_id, "join")).ok()
    await alice.say(room_id, "one")
    event_id = await alice.say(room_id, "two")
    (
        await bob.send(
            room_id, "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": "x"}}
        )
    ).ok()
    (await bob.post(f"{in_room(room_id)}/receipt/m.read/{part(event_id)}")).ok()
    (await bob.put(f"/user/{part(bob.user_id)}/rooms/{part(room_id)}/account_data/x", {"x": 1})).ok()
    (await bob.put(f"/user/{part(bob.user_id)}/rooms/{part(room_id)}/tags/x", {})).ok()
    (await bob.get("/sync", timeout="0")).ok()
    db = admin.server.db
    room_nid = await db.value("SELECT room_nid FROM rooms WHERE room_id = $1", room_id)
    rows = await db.all("SELECT event_nid FROM events WHERE room_nid = $1", room_nid)
    return room_id, room_nid, [row[0] for row in rows]


@pytest.fixture
async def alice(admin: Admin) -> Client:
    return await admin.server.register("alice")


@pytest.fixture
async def bob(admin: Admin) -> Client:
    return await admin.server.register("bob")


async def until_done(admin: Admin, delete_id: str) -> Any:
    while True:
        status = await admin.get(f"/v2/rooms/delete_status/{delete_id}")
        if status["status"] in ("complete", "failed"):
            return status
        await asyncio.sleep(0.02)


async def test_nothing_is_left(admin: Admin, alice: Client, bob: Client) -> None:
    room_id, room_nid, events = await full_room(admin, alice, bob)
    other = await alice.create_room(name="Other")
    db = admin.server.db
    assert len(await traces(db, room_nid, room_id, events)) > 12
    done = await admin.delete(v1(room_id), {"block": True})
    assert done == {
        "kicked_users": [alice.user_id, bob.user_id],
        "failed_to_kick_users": [],
        "local_aliases": ["#doomed:ranvier.test"],
        "new_room_id": None,
    }
    assert await traces(db, room_nid, room_id, events) == {}
    assert (await alice.get("/joined_rooms")).ok() == {"joined_rooms": [other]}
    (await alice.get(f"{in_room(room_id)}/messages", dir="b")).refused(403, "M_FORBIDDEN")
    (await alice.get(f"{in_room(room_id)}/state")).refused(403, "M_FORBIDDEN")
    (await bob.act(room_id, "join")).refused(403, "M_FORBIDDEN")
    (await bob.get(f"/directory/room/{part('#doomed:ranvier.test')}")).refused(404, "M_NOT_FOUND")
    (await admin.ask("GET", v1(room_id))).refused(404, "M_NOT_FOUND")
    (await admin.ask("DELETE", v1(room_id), {})).refused(404, "M_NOT_FOUND")
    first = (await bob.get("/sync", timeout="0")).ok()
    assert room_id not in str(first)


async def test_users_are_brought_to_another_room(admin: Admin, alice: Client, bob: Client) -> None:
    room_id, _, _ = await full_room(admin, alice, bob)
    wish = {"new_room_user_id": admin.client.user_id, "room_name": "Elsewhere", "message": "It is over", "purge": False}
    done = await admin.delete(v1(room_id), wish)
    new_id = done["new_room_id"]
    assert (await bob.get("/joined_rooms")).ok() == {"joined_rooms": [new_id]}
    page = (await bob.get(f"{in_room(new_id)}/messages", dir="b")).ok()["chunk"]
    assert "It is over" in [event["content"].get("body") for event in page]
    assert (await bob.get(f"/directory/room/{part('#doomed:ranvier.test')}")).ok()["room_id"] == new_id
    (await bob.send(new_id, "m.room.message", {"msgtype": "m.text", "body": "?"})).refused(403, "M_FORBIDDEN")
    # Not purged: administrators can still look at it.
    assert (await admin.get(v1(room_id)))["joined_members"] == 0


async def test_in_the_background(admin: Admin, alice: Client, bob: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_purge, "PORTION", 2)
    room_id, room_nid, events = await full_room(admin, alice, bob)
    delete_id = (await admin.delete(v2(room_id), {}))["delete_id"]
    (await admin.ask("DELETE", v2(room_id), {})).refused(400, "M_UNKNOWN")
    (await bob.act(room_id, "join")).refused(403, "M_FORBIDDEN")
    done = await until_done(admin, delete_id)
    assert (done["status"], done["shutdown_room"]["kicked_users"]) == ("complete", [alice.user_id, bob.user_id])
    assert done["deleted_events"] >= len(events)
    assert (await admin.get(f"{v2(room_id)}/delete_status"))["results"] == [done]
    assert await traces(admin.server.db, room_nid, room_id, events) == {}
    (await admin.ask("GET", "/v2/rooms/delete_status/none")).refused(404, "M_NOT_FOUND")
    (await admin.ask("GET", f"{v2('!none:x')}/delete_status")).refused(404, "M_NOT_FOUND")


async def test_bad_wishes(admin: Admin, alice: Client) -> None:
    room_id = await alice.create_room()
    for bad in ({"block": "yes"}, {"purge": 1}, {"new_room_user_id": "@x:elsewhere"}, {"new_room_user_id": "x"}):
        for path in (v1(room_id), v2(room_id)):
            assert (await admin.ask("DELETE", path, bad)).status == 400, bad
    (await admin.ask("DELETE", v1(room_id), {"new_room_user_id": "@no:ranvier.test"})).refused(404, "M_NOT_FOUND")
    (await admin.ask("DELETE", v1("nonsense"), {})).refused(400, "M_INVALID_PARAM")
    # A room that nobody here knows can be blocked.
    assert (await admin.delete(v1("!bad:elsewhere.test"), {"block": True}))["kicked_users"] == []
    assert (await admin.get(f"{v1('!bad:elsewhere.test')}/block"))["block"] is True
    assert (await alice.get("/joined_rooms")).ok()["joined_rooms"] == [room_id]


async def test_a_deletion_goes_on_after_a_restart(
    db_config: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(db_config) as server:
        admin = await Admin.of(server)
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id, room_nid, events = await full_room(admin, alice, bob)
        kept = await bob.create_room(preset="public_chat")
        since = (await bob.get("/sync", timeout="0")).ok()["next_batch"]

        async def cut_off(*_: object) -> int:
            raise DatabaseError("The database has gone")

        monkeypatch.setattr(room_purge, "delete_events", cut_off)
        delete_id = (await admin.delete(v2(room_id), {}))["delete_id"]
        while await server.db.value("SELECT COUNT(*) FROM room_heads WHERE room_nid = $1", room_nid):  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # It is the database that has to say so.
    monkeypatch.undo()
    async with running(db_config) as server:
        admin = Admin(server, admin.client.at(server.app))
        # Nothing was begun again from the start: who has left is still known.
        done = await until_done(admin, delete_id)
        assert (done["status"], done["shutdown_room"]["kicked_users"]) == ("complete", [alice.user_id, bob.user_id])
        assert await traces(server.db, room_nid, room_id, events) == {}
    async with running(db_config) as server:
        # Positions in the stream are never given out again, although what had the greatest ones is gone.
        bob = bob.at(server.app)
        said = await bob.say(kept, "still here")
        news = (await bob.get("/sync", timeout="0", since=since)).ok()["rooms"]["join"][kept]["timeline"]["events"]
        assert [event["event_id"] for event in news] == [said]
