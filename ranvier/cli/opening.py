"""Configuration and database of a server, for commands that run beside it."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ranvier.cli.arguments import DEFAULT_CONFIG
from ranvier.config.load import load
from ranvier.config.model import Config
from ranvier.config.sections import DatabaseConfig
from ranvier.db.catalogue import schema_versions
from ranvier.db.engine import Database
from ranvier.db.migrate import UNFINISHED, load_migrations
from ranvier.db.open import open_unmigrated


class CommandError(Exception):
    """The command cannot do it; the message is for the person at the terminal."""


def read_config(paths: Sequence[str] | None) -> Config:
    """The configuration, of which nothing is written that is missing. Raises `ConfigError`."""
    return load(tuple(paths or (DEFAULT_CONFIG,)), environment=os.environ)


@asynccontextmanager
async def open_existing(config: DatabaseConfig) -> AsyncIterator[Database]:
    """The database of a server that may be running; its schema is left as it is.

    Raises `CommandError` if there is none, or one that this version does not know, and `DatabaseError`.
    """
    _require_file(config)
    db = await open_unmigrated(config)
    try:
        known = [migration.version for migration in load_migrations()]
        found = await schema_versions(db, db.dialect)
        if not found:
            raise CommandError("the database holds no Ranvier server; has it ever been started?")
        if UNFINISHED in found:
            raise CommandError(
                "the database is not whole: a port or a restoration of it was interrupted; go on with that"
            )
        if found != known:
            newer = max(found) > max(known)
            raise CommandError(
                "the database belongs to another version of Ranvier; "
                + (
                    "use the commands of that version"
                    if newer
                    else "start the server once, so that it is brought up to date"
                )
            )
        yield db
    finally:
        await db.close()


def sqlite_path(config: DatabaseConfig) -> str:
    """The file of an SQLite database."""
    return str(config.args.get("database", ":memory:"))


def _require_file(config: DatabaseConfig) -> None:
    if config.engine == "sqlite" and not os.path.isfile(path := sqlite_path(config)):
        raise CommandError(f"{path}: there is no such database; has the server ever been started?")
