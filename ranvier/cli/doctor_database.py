"""What `ranvier doctor` sees of the database, without changing it."""

import os
import time
from collections.abc import AsyncIterator

from ranvier.cli.doctor_clock import compare
from ranvier.cli.doctor_findings import Finding
from ranvier.cli.opening import sqlite_path
from ranvier.config.model import Config
from ranvier.db.catalogue import schema_versions
from ranvier.db.engine import Database, DatabaseError
from ranvier.db.migrate import UNFINISHED, load_migrations
from ranvier.db.open import open_unmigrated


async def examine_database(config: Config) -> AsyncIterator[Finding]:
    """Whether it can be reached, is whole, and is one that this version knows."""
    if config.database.engine == "sqlite":
        path = sqlite_path(config.database)
        if not os.path.exists(path):
            yield Finding("note", "database", f"{path} is not there yet", "it is made when the server starts")
            return
    try:
        db = await open_unmigrated(config.database)
    except (DatabaseError, OSError) as error:
        yield Finding(
            "error", "database", str(error), "look at `database` in the configuration, and at the database's log"
        )
        return
    try:
        yield await _schema(db)
        yield await (_sqlite(db) if db.dialect == "sqlite" else _postgres(db))
        if db.dialect == "postgres" and not await _is_on_this_machine(db):
            yield compare("the database", await _time(db), time.time())
    except DatabaseError as error:
        yield Finding("error", "database", str(error), "restore a backup (`ranvier restore`)")
    finally:
        await db.close()


async def _schema(db: Database) -> Finding:
    known = max(migration.version for migration in load_migrations())
    found = max(await schema_versions(db, db.dialect), default=0)
    if found == UNFINISHED:
        return Finding(
            "error",
            "schema",
            "the database is being filled, or that was interrupted",
            "give the same command (`ranvier db port` or `ranvier restore`) again",
        )
    needed = await db.value("SELECT MAX(compat_version) FROM schema_version") if found else 0
    if needed > known:
        return Finding(
            "error", "schema", f"it needs {needed}, and this version knows {known}", "install the newer Ranvier again"
        )
    if found < known:
        return Finding(
            "note", "schema", f"{found or 'none yet'}; {known} after the next start", "back up before you update"
        )
    return Finding("ok", "schema", str(found))


async def _sqlite(db: Database) -> Finding:
    wrong = [str(row[0]) for row in await db.all("PRAGMA quick_check(3)") if row[0] != "ok"]
    if wrong:
        return Finding(
            "error", "database", f"damaged: {wrong[0]}", "stop the server and restore a backup (`ranvier restore`)"
        )
    return Finding("ok", "database", "SQLite, undamaged")


async def _is_on_this_machine(db: Database) -> bool:
    """Then its clock is ours."""
    return bool(
        await db.value("SELECT inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr()")  # a unix socket
    )


async def _time(db: Database) -> float:
    """In seconds since 1970, by its clock."""
    return float(await db.value("SELECT extract(epoch FROM clock_timestamp())"))


async def _postgres(db: Database) -> Finding:
    version = await db.value("SELECT current_setting('server_version')")
    encoding = await db.value(
        "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
    )
    collation = await db.value("SELECT datcollate FROM pg_database WHERE datname = current_database()")
    if encoding != "UTF8":
        return Finding("error", "database", f"its encoding is {encoding}", "make a new one with ENCODING 'UTF8'")
    if collation not in ("C", "POSIX"):
        return Finding(
            "warning",
            "database",
            f"its collation is {collation}",
            "make a new one with LC_COLLATE 'C' TEMPLATE template0",
        )
    return Finding("ok", "database", f"PostgreSQL {version}")
