"""`ranvier db port`: a server goes on from PostgreSQL with all it had, and nothing else than that is possible."""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ranvier.db.catalogue import tables
from ranvier.db.engine import Database
from ranvier.db.migrate import _LOCK_NUMBER, migrate
from ranvier.db.open import open_database
from ranvier.db.sqlite import open_sqlite
from tests.api.asgi import in_room
from tests.api.homeserver import Homeserver, running
from tests.cli.programs import environment, ranvier
from tests.conftest import DatabaseDict, StartHomeserver
from tests.databases import database_config
from tests.e2ee.person import Person, register
from tests.faster_joins.stage import DEREK, ELSIE, OURS, Stage, play_in
from tests.plays.world import world
from tests.services.postgres import Postgres

NAME = "ranvier.test"
KEY = f"ed25519 a_test {'A' * 43}"
DEADLINE_S = 60
DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.fixture
def sqlite(tmp_path: Path) -> DatabaseDict:
    """A `database` section for SQLite."""
    return {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}


@pytest.fixture
def target(postgres: Postgres, postgres_database: str) -> DatabaseDict:
    """One for an empty PostgreSQL."""
    return {"name": "psycopg2", "args": postgres.args(postgres_database)}


def _configure(folder: Path, database: DatabaseDict, *, server_name: str = NAME) -> None:
    options = {"server_name": server_name, "signing_key": KEY, "database": database}
    (folder / "postgres.yaml").write_text(json.dumps(options))


def _port(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return ranvier(
        folder, "db", "port", "--sqlite-database", "homeserver.db", "--postgres-config", "postgres.yaml", *argv
    )


async def _make(path: Path) -> None:
    """A database that is new, and has a few rows where they cost nothing."""
    db = await open_sqlite(str(path))
    await migrate(db, now_ms=1)
    async with db.write() as tx:
        await tx.many(
            "INSERT INTO account_data (user_id, room_id, type, content, stream_pos) VALUES ($1, '', $2, $3, $4)",
            [(f"@user:{NAME}", f"type {number}", b"{}", number) for number in range(1, 300)],
        )
    await db.close()


async def test_a_server_goes_on(sqlite: DatabaseDict, target: DatabaseDict, tmp_path: Path) -> None:
    async with running(sqlite) as before:
        alice, bob = await register(before, "alice"), await register(before, "bob")
        room_id = await _live(before, alice, bob)
        members = (await alice.client.get(f"{in_room(room_id)}/joined_members")).ok()
        state = await _state(alice, room_id)
        keys = await alice.keys_of(bob.user_id)
        numbers = await before.db.one("SELECT MAX(event_nid), MAX(pos) FROM events")
    _configure(tmp_path, target)
    done = await asyncio.to_thread(_port, tmp_path, "-v")
    assert done.returncode == 0, done.stderr
    assert "never again with homeserver.db" in done.stdout
    assert {line.split()[0] for line in done.stdout.splitlines()} >= {"events", "one_time_key_queues"}

    async with running(target) as after:
        alice, bob = alice.at(after), bob.at(after)
        assert await after.db.one("SELECT MAX(event_nid), MAX(pos) FROM events") == numbers
        assert await alice.keys_of(bob.user_id) == keys
        assert await _state(alice, room_id) == state
        assert (await alice.client.get(f"{in_room(room_id)}/joined_members")).ok() == members
        # Messages to devices that had not been fetched, those of the journal and those that were put in order.
        assert await bob.inbox() == [{"n": 1}, {"n": 2, "text": "\0"}]
        # The next key, not one that was given out; then the fallback key.
        assert [await bob.claim_name(alice) for _ in range(3)] == ["two", "three", "fallback"]
        event_id = await alice.client.say(room_id, "after")
        joined = await bob.joined(room_id)
        assert [event["event_id"] for event in joined["timeline"]["events"]] == [event_id]
        (await alice.send({bob.user_id: {bob.device_id: {"n": 3}}}, txn_id="3")).ok()
        assert await bob.inbox() == [{"n": 3}]
        page = (await bob.client.get(f"{in_room(room_id)}/messages", dir="b", limit="100")).ok()
        texts = [event["content"]["body"] for event in page["chunk"] if event["type"] == "m.room.message"]
        assert texts == ["after", "zero \0 and \U0001f47b", "before"]
        # Everything that has numbers finds new ones.
        carol = await register(after, "carol")
        await carol.publish()
        await carol.join(room_id)
        await bob.sync()
        report = {"reason": "no"}
        (await bob.client.post(f"{in_room(room_id)}/report/{event_id}", report)).ok()
    again = await asyncio.to_thread(_port, tmp_path)
    assert again.returncode == 1
    assert "the new database has tables already" in again.stderr


async def _live(server: Homeserver, alice: Person, bob: Person) -> str:
    """Some of everything; the room."""
    for person in (alice, bob):
        await person.publish()
    keys = alice.one_time_keys("one", "two", "three")
    (await alice.upload(one_time_keys=keys, fallback_keys=alice.fallback_key("fallback"))).ok()
    assert await bob.claim_name(alice) == "one"
    room_id = await alice.room(bob)
    await alice.client.say(room_id, "before")
    await alice.client.say(room_id, "zero \0 and \U0001f47b")
    (await bob.client.put(f"/user/{bob.user_id}/account_data/m.test", {"text": "\0\u4e16"})).ok()
    await bob.sync()
    (await alice.send({bob.user_id: {bob.device_id: {"n": 1}}}, txn_id="1")).ok()
    await server.server.e2ee.inboxes.flush()
    (await alice.send({bob.user_id: {bob.device_id: {"n": 2, "text": "\0"}}}, txn_id="2")).ok()
    assert await server.db.value("SELECT COUNT(*) FROM to_device_messages") == 1
    return room_id


async def _state(person: Person, room_id: str) -> dict[tuple[str, str], Any]:
    events = (await person.client.get(f"{in_room(room_id)}/state")).ok()
    return {(event["type"], event["state_key"]): event["event_id"] for event in events}


async def test_a_partial_room_becomes_full_elsewhere(target: DatabaseDict, tmp_path: Path) -> None:
    database: DatabaseDict = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}

    async def opens(name: str) -> Database:
        return await open_database(database_config(database), now_ms=1)

    async def act(s: Stage) -> None:
        nonlocal database
        room = s.room(members=[DEREK, ELSIE, *[f"@user{number}:resident.test" for number in range(40)]])
        await s.join_partially(room)
        await s.resident.send(room.say("hello", sender=DEREK))
        await s.pause(0.3)
        assert len(await s.rows("events")) == 2
        s.world.network.apps.pop(OURS)
        await s.world.servers.pop(OURS).close()
        _configure(tmp_path, target, server_name=OURS)
        done = await asyncio.to_thread(_port, tmp_path)
        assert done.returncode == 0, done.stderr
        database = target
        await s.world.start(OURS)
        s.alice = s.world.clients[s.alice.user_id]
        assert s.ours.db.dialect == "postgres"
        assert await s.partial(room) is not None
        s.release()
        await s.until_full(room, at_most_s=30)
        await s.check_full(room)

    async with world(1, tmp_path) as w:
        w.opens = opens
        await play_in(w, act)


class _Killed:
    """A port that was killed while it was under way; with a connection to what it has left."""

    def __init__(self, folder: Path, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.folder = folder
        self.connection = connection

    async def run(self, *, before_tables: bool = False, cuts: bool = False) -> str:
        """Let it come as far as the table `users`, and kill it there, or cut its connections. What it said.

        Or kill it `before_tables` are made.
        """
        words = ["db", "port", "--sqlite-database", "homeserver.db", "-c", "postgres.yaml", "--batch-size", "10"]
        await self.connection.execute("SELECT pg_advisory_lock($1)", _LOCK_NUMBER)  # it cannot make tables
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ranvier", *words, cwd=self.folder, env=environment(), stderr=subprocess.PIPE
        )
        try:
            await self._until("to_regclass('ranvier_port') IS NOT NULL")
            if before_tables:
                process.kill()
                await process.wait()
                await self.connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_NUMBER)
                return ""
            transaction = self.connection.transaction()
            await transaction.start()
            # Nor can it note that it has copied the users.
            await self.connection.execute("INSERT INTO ranvier_port VALUES ('users', 0, '')")
            await self.connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_NUMBER)
            await self._until("EXISTS (SELECT 1 FROM ranvier_port WHERE name = 'user_threepids')")
            await self._until("EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
            assert process.returncode is None
            if cuts:
                await self.connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            else:
                process.kill()
            _, said = await process.communicate()
            await transaction.rollback()
            return said.decode()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _until(self, condition: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                if await self.connection.fetchval(f"SELECT {condition}"):
                    return
                await asyncio.sleep(0.01)


async def test_a_port_that_had_hardly_begun(target: DatabaseDict, postgres: Postgres, tmp_path: Path) -> None:
    await _make(tmp_path / "homeserver.db")
    _configure(tmp_path, target)
    connection = await asyncpg.connect(postgres.uri(str(target["args"]["dbname"])))  # type: ignore[index]
    try:
        for _ in range(2):
            await _Killed(tmp_path, connection).run(before_tables=True)
        done = await asyncio.to_thread(_port, tmp_path)
        assert done.returncode == 0, done.stderr
        assert await connection.fetchval("SELECT COUNT(*) FROM account_data") == 299
        assert await connection.fetchval("SELECT to_regclass('ranvier_port')") is None
    finally:
        await connection.close()


async def test_a_port_whose_connections_are_cut(target: DatabaseDict, postgres: Postgres, tmp_path: Path) -> None:
    await _make(tmp_path / "homeserver.db")
    _configure(tmp_path, target)
    connection = await asyncpg.connect(postgres.uri(str(target["args"]["dbname"])))  # type: ignore[index]
    try:
        said = await _Killed(tmp_path, connection).run(cuts=True)
    finally:
        await connection.close()
    assert said.startswith("ranvier db port: PostgreSQL: ")
    assert len(said.splitlines()) == 1
    backup = await asyncio.to_thread(ranvier, tmp_path, "backup", "-c", "postgres.yaml")
    assert "the database is not whole" in backup.stderr
    assert (await asyncio.to_thread(_port, tmp_path)).returncode == 0


@pytest.mark.parametrize(
    "meanwhile", ["nothing", "the source goes on", "the source loses rows", "the target is changed"]
)
async def test_an_interrupted_port_goes_on(
    target: DatabaseDict, postgres: Postgres, tmp_path: Path, meanwhile: str
) -> None:
    path = tmp_path / "homeserver.db"
    await _make(path)
    _configure(tmp_path, target)
    connection = await asyncpg.connect(postgres.uri(str(target["args"]["dbname"])))  # type: ignore[index]
    try:
        await _Killed(tmp_path, connection).run()
        with pytest.raises(Exception, match="being restored or ported"):
            await open_database(database_config(target), now_ms=1)
        written = await connection.fetchval("SELECT xmin::text FROM account_data WHERE type = 'type 7'")
        if meanwhile == "the target is changed":
            await connection.execute("UPDATE account_data SET content = 'x' WHERE type = 'type 8'")
        elif meanwhile != "nothing":
            with closing(sqlite3.connect(path)) as db, db:
                if meanwhile == "the source goes on":
                    db.execute("UPDATE account_data SET content = x'01' WHERE type = 'type 7'")
                else:
                    db.execute("DELETE FROM account_data WHERE stream_pos > 200")
        done = await asyncio.to_thread(_port, tmp_path)
        if meanwhile == "the target is changed":
            assert done.returncode == 1
            assert "not the same: account_data; the same command copies them again" in done.stderr
            done = await asyncio.to_thread(_port, tmp_path)
        assert done.returncode == 0, done.stderr
        shown = DOCUMENT.read_text().partition("database [")[2].partition("\n")[2].partition("```")[0]
        assert re.sub(r"[\d,]+ ", "N ", done.stdout) == re.sub(r"[\d,]+ ", "N ", shown)
        again = await connection.fetchval("SELECT xmin::text FROM account_data WHERE type = 'type 7'")
        assert (again == written) == (meanwhile == "nothing")  # what was there already is not copied again
        found = await connection.fetch("SELECT type, content FROM account_data ORDER BY stream_pos")
        with closing(sqlite3.connect(path)) as db:
            rows = db.execute("SELECT type, content FROM account_data ORDER BY stream_pos").fetchall()
        assert [tuple(row) for row in found] == rows
    finally:
        await connection.close()
    await (await open_database(database_config(target), now_ms=1)).close()


async def test_a_running_server_is_left_alone(
    start_homeserver: StartHomeserver, sqlite: DatabaseDict, target: DatabaseDict, tmp_path: Path
) -> None:
    server = start_homeserver(sqlite)
    _configure(tmp_path, target, server_name="test.example")
    done = _port(tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "ranvier db port: homeserver.db is in use: stop the server (nothing may be written while it is copied)\n",
    )
    server.kill()  # what it has written is still in the journal of SQLite
    assert _port(tmp_path).returncode == 0
    server.write_options(database=target)
    server.start()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "homeserver.db: there is no such database"),
        ({"database": {"name": "sqlite3", "args": {"database": "homeserver.db"}}}, "is one of SQLite"),
    ],
)
def test_mistakes(target: DatabaseDict, tmp_path: Path, options: dict[str, object], said: str) -> None:
    _configure(tmp_path, target)
    file = tmp_path / "postgres.yaml"
    file.write_text(json.dumps(json.loads(file.read_text()) | options))
    done = _port(tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_another_server_s_databases_are_refused(target: DatabaseDict, postgres: Postgres, tmp_path: Path) -> None:
    await _make(tmp_path / "homeserver.db")
    with closing(sqlite3.connect(tmp_path / "homeserver.db")) as db, db:
        db.execute("INSERT INTO users (name, creation_ts) VALUES ('@alice:ranvier.test', 0)")
    _configure(tmp_path, target, server_name="other.test")
    done = await asyncio.to_thread(_port, tmp_path)
    assert "is not the database of other.test: it holds @alice:ranvier.test" in done.stderr
    _configure(tmp_path, target)
    connection = await asyncpg.connect(postgres.uri(str(target["args"]["dbname"])))  # type: ignore[index]
    try:
        await _Killed(tmp_path, connection).run()
        with closing(sqlite3.connect(tmp_path / "homeserver.db")) as db, db:
            db.execute("UPDATE schema_version SET applied = 17")
        done = await asyncio.to_thread(_port, tmp_path)
        assert "the new database holds the unfinished port of another one" in done.stderr
        await connection.execute("DELETE FROM schema_version WHERE version = 999999")
        with closing(sqlite3.connect(tmp_path / "homeserver.db")) as db, db:
            db.execute("UPDATE schema_version SET applied = 1")
        done = await asyncio.to_thread(_port, tmp_path)
        assert "a server has been started on the new database" in done.stderr
    finally:
        await connection.close()


async def test_text_that_postgres_does_not_take(target: DatabaseDict, tmp_path: Path) -> None:
    path = tmp_path / "homeserver.db"
    await _make(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE account_data SET type = 'a' || char(0) || stream_pos WHERE stream_pos < 3")
    _configure(tmp_path, target)
    done = await asyncio.to_thread(_port, tmp_path)
    assert done.returncode == 1
    assert "text with a NUL, which PostgreSQL does not take, is in account_data.type (2)" in done.stderr
    assert (await asyncio.to_thread(_port, tmp_path, "--replace-nul")).returncode == 0
    db_after = await open_database(database_config(target), now_ms=1)
    assert await db_after.value("SELECT type FROM account_data WHERE stream_pos = 2") == "a\ufffd2"
    await db_after.close()


async def test_values_of_another_kind(target: DatabaseDict, tmp_path: Path) -> None:
    """SQLite keeps what it was given; what cannot be taken over is named."""
    path = tmp_path / "homeserver.db"
    await _make(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE account_data SET content = 'text', type = CAST('bytes' AS BLOB) WHERE stream_pos = 2")
        db.execute("UPDATE account_data SET stream_pos = 'many' WHERE stream_pos = 1")
    _configure(tmp_path, target)
    done = await asyncio.to_thread(_port, tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "ranvier db port: account_data.stream_pos holds 'many', which PostgreSQL does not take as int8\n",
    )
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM account_data WHERE stream_pos = 'many'")
    assert (await asyncio.to_thread(_port, tmp_path)).returncode == 0
    db_after = await open_database(database_config(target), now_ms=1)
    assert await db_after.one("SELECT type, content FROM account_data WHERE stream_pos = 2") == ("bytes", b"text")
    await db_after.close()


async def test_every_table_has_a_primary_key(db_config: DatabaseDict) -> None:
    """By which it is read in order."""
    db = await open_database(database_config(db_config), now_ms=1)
    assert [table.name for table in await tables(db, db.dialect) if not table.key] == []
    await db.close()
