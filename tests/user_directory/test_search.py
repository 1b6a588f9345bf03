"""Users are found by who may find them. Spec: client-server API, "User Directory"."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.admin.admin import Admin, user
from tests.api.asgi import Client, part
from tests.api.homeserver import Homeserver, running


async def search(client: Client, term: str, limit: int = 10) -> list[str]:
    """The local parts of who is found, in order."""
    found = (await client.post("/user_directory/search", {"search_term": term, "limit": limit})).ok()
    return [one["user_id"].partition(":")[0][1:] for one in found["results"]]


async def call(client: Client, name: str) -> None:
    await client.put(f"/profile/{part(client.user_id)}/displayname", {"displayname": name})


async def test_who_shares_a_room_or_is_in_a_public_one(homeserver_on_each: Homeserver) -> None:
    server = homeserver_on_each
    anna, berta, carl, dora = [await server.register(name) for name in ("anna", "berta", "carl", "dora")]
    assert await search(anna, "berta") == []
    room_id = await anna.create_room(invite=[berta.user_id])
    assert await search(anna, "berta") == []
    await berta.act(room_id, "join")
    assert await search(anna, "berta") == ["berta"]
    assert await search(anna, "BER") == ["berta"] and await search(anna, "rta") == []
    assert await search(berta, "anna") == ["anna"] and await search(carl, "anna") == []
    public = await dora.create_room(preset="public_chat")
    assert await search(carl, "dora") == ["dora"]
    await dora.act(public, "leave")
    assert await search(carl, "dora") == []
    readable = await dora.create_room(
        initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}]
    )
    assert await search(carl, "dora") == ["dora"]
    await dora.set_state(readable, "m.room.history_visibility", {"history_visibility": "shared"})
    assert await search(carl, "dora") == []
    await berta.act(room_id, "leave")
    assert await search(anna, "berta") == []
    assert await search(anna, "anna") == []


async def test_names_as_they_are_now(homeserver_on_each: Homeserver) -> None:
    anna, berta = [await homeserver_on_each.register(name) for name in ("anna", "berta")]
    room_id = await berta.create_room(preset="public_chat")
    for name, terms in (
        ("Zoë Straße", ("zoe", "STRASSE", "zoë st")), ("山田太郎", ("山田", "田太", "郎")), ("สมชาย ใจดี", ("ชาย", "ใจ")),
        ("fox 🦊🦝", ("🦝", "🦊 fo")), ("Łukasz Þór", ("lukasz", "thor")), ("Jürgen用户", ("jurgen", "用户")),
        ("<b>%_'\"\\", ("b",)), ("x\0y", ("x y",)),
    ):  # fmt: skip
        await call(berta, name)
        for term in terms:
            assert await search(anna, term) == ["berta"], (name, term)
    assert await search(anna, "zoe") == []
    for term in ("", " ", "%", "_", "\0", "'", "no such", "@", "@:", "berta q"):
        assert await search(anna, term) == [], term
    assert (await search(anna, "@berta:ranvier.test")) == (await search(anna, "@ber:ran")) == ["berta"]
    assert await search(anna, "@berta:other.test") == []
    await berta.put(f"/profile/{part(berta.user_id)}/avatar_url", {"avatar_url": "mxc://a/b"})
    found = (await anna.post("/user_directory/search", {"search_term": "berta"})).ok()
    assert found["results"][0] == {"user_id": berta.user_id, "display_name": "x\ufffdy", "avatar_url": "mxc://a/b"}
    await berta.act(room_id, "leave")


async def test_order_and_limit(homeserver_on_each: Homeserver) -> None:
    server = homeserver_on_each
    anna = await server.register("anna")
    room_id = await anna.create_room(preset="public_chat")
    for name, shown in (("bo1", "Max Power"), ("bo2", "Max"), ("bo3", "Maximilian"), ("max", "Other")):
        one = await server.register(name)
        await call(one, shown)
        await one.act(room_id, "join")
    assert await search(anna, "max") == ["bo2", "max", "bo1", "bo3"]
    assert await search(anna, "max", 2) == ["bo2", "max"]
    answer = (await anna.post("/user_directory/search", {"search_term": "max", "limit": 2})).ok()
    assert answer["limited"] is True
    answer = (await anna.post("/user_directory/search", {"search_term": "max", "limit": 4})).ok()
    assert answer["limited"] is False
    assert await search(anna, "max", 0) == []
    for body in ({}, {"search_term": 1}, {"search_term": "a", "limit": -1}, {"search_term": "a", "limit": "x"}):
        assert (await anna.post("/user_directory/search", body)).status == 400
    (await server.stranger().post("/user_directory/search", {"search_term": "a"})).refused(401, "M_MISSING_TOKEN")


async def test_accounts_that_nobody_finds(homeserver_on_each: Homeserver) -> None:
    server = homeserver_on_each
    admin, anna = await Admin.of(server), await server.register("anna")
    room_id = await admin.client.create_room(preset="public_chat")
    await anna.act(room_id, "join")
    for name in ("helper", "locked", "closed"):
        one = await server.register(name)
        await one.act(room_id, "join")
    await admin.put(user("helper", v=2), {"user_type": "support"})
    await admin.put(user("locked", v=2), {"locked": True})
    await admin.post("/v1/deactivate/@closed:ranvier.test")
    for name in ("helper", "locked", "closed"):
        assert await search(anna, name) == []
    await admin.put(user("locked", v=2), {"locked": False})
    assert await search(anna, "locked") == ["locked"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"search_all_users": True}, ["berta"]),
        ({"search_all_users": False}, []),
        ({"enabled": False, "search_all_users": True}, []),
    ],
)
async def test_everybody_or_nobody(db_config: Mapping[str, Any], options: Mapping[str, object], expected: Any) -> None:
    async with running(db_config, user_directory=options) as server:
        anna, berta = [await server.register(name) for name in ("anna", "berta")]
        assert await search(anna, "berta") == expected
        await call(berta, "Zoë")
        assert await search(anna, "zoe") == expected


async def test_locked_users_where_they_are_shown(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database, user_directory={"search_all_users": True, "show_locked_users": True}) as server:
        admin = await Admin.of(server)
        await server.register("locked")
        await admin.put(user("locked", v=2), {"locked": True})
        assert await search(admin.client, "locked") == ["locked"]


async def test_messages_cost_the_directory_nothing(homeserver: Homeserver) -> None:
    anna = await homeserver.register("anna")
    room_id = await anna.create_room()
    await anna.say(room_id, "first")
    counters = homeserver.db.counters
    before = counters.statements
    await anna.say(room_id, "second")
    assert counters.statements - before == 3
    assert await search(anna, "nobody") == []
    before = counters.statements
    assert await search(anna, "nobody") == []
    assert counters.statements - before <= 4


async def test_the_names_survive_a_restart(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database) as server:
        anna, berta = [await server.register(name) for name in ("anna", "berta")]
        await berta.create_room(preset="public_chat")
        await call(berta, "Zoë")
    async with running(database) as server:
        again = Client(server.app, token=anna.token, user_id=anna.user_id)
        assert await search(again, "zoe") == ["berta"]


async def test_made_anew(homeserver_on_each: Homeserver) -> None:
    admin = await Admin.of(homeserver_on_each)
    anna = await homeserver_on_each.register("anna")
    await anna.create_room(preset="public_chat")
    assert await search(admin.client, "anna") == ["anna"]
    async with homeserver_on_each.db.write() as tx:
        await tx.run("DELETE FROM user_directory")
        await tx.run("DELETE FROM user_directory_tokens")
        await tx.run("INSERT INTO user_directory VALUES ('@x:gone.test', 0, 'anna', NULL, 'anna x')")
    assert await search(admin.client, "anna") == []
    await admin.post("/v1/background_updates/enabled", {"enabled": False})
    await admin.post("/v1/background_updates/start_job", {"job_name": "regenerate_directory"})
    again = await admin.ask("POST", "/v1/background_updates/start_job", {"job_name": "regenerate_directory"})
    again.refused(400, "M_UNKNOWN")
    assert (await admin.get("/v1/background_updates/status"))["enabled"] is False
    await admin.post("/v1/background_updates/enabled", {"enabled": True})
    await admin.until_updated()
    assert await search(admin.client, "anna") == ["anna"]
    assert await homeserver_on_each.db.value("SELECT COUNT(*) FROM user_directory WHERE is_local = 0") == 0


async def test_others_do_not_wait_for_a_common_letter(homeserver: Homeserver) -> None:
    """Whoever is nearly everybody's namesake is looked for in portions."""
    anna = await homeserver.register("anna")
    async with homeserver.db.write() as tx:
        await tx.many(
            "INSERT INTO user_directory VALUES ($1, 0, $2, NULL, $3)",
            [(f"@m{number}:far.test", "m", f"m{number}") for number in range(3000)],
        )
        await tx.many(
            "INSERT INTO user_directory_tokens VALUES (0, $1, $2)",
            [(f"m{number}".encode(), f"@m{number}:far.test") for number in range(3000)],
        )
    assert await search(anna, "m") == []
    berta = await homeserver.register("mberta")
    await berta.act(await anna.create_room(preset="public_chat"), "join")
    assert await search(anna, "m") == ["mberta"]
