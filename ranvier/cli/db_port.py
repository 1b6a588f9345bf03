"""`ranvier db port`: a server's database from SQLite to PostgreSQL, where the server goes on.

Manual: "Porting from SQLite". Interrupted at whatever moment, the same command goes on. At the end every table is read back
and compared, and only then a server starts on it.
"""

import argparse
import dataclasses
import hashlib
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from ranvier.cli.opening import CommandError, open_existing, read_config
from ranvier.cli.parser import CommandParser
from ranvier.cli.running import run_command
from ranvier.config.model import Config
from ranvier.db.catalogue import Table, tables
from ranvier.db.sqlite_source import InUse, alone_with

NAME: Final = "ranvier db port"
DEFAULT_PORTION: Final = 10_000


def main(argv: Sequence[str] | None = None) -> int:
    """Port; the exit status."""
    parser = CommandParser(
        NAME, "Copy a stopped server's database from SQLite to PostgreSQL. Interrupted, the same command goes on."
    )
    parser.add_argument("--sqlite-database", required=True, metavar="FILE", help="the database of the server until now")
    parser.add_argument(
        "-c",
        "--postgres-config",
        required=True,
        action="append",
        metavar="FILE",
        help="the server's configuration, in which `database` is the new one already: empty, of PostgreSQL",
    )
    parser.add_argument(
        "--batch-size", type=_positive, default=DEFAULT_PORTION, metavar="N", help=f"rows at once ({DEFAULT_PORTION})"
    )
    parser.add_argument(
        "--replace-nul",
        action="store_true",
        help="text that holds a NUL, which PostgreSQL does not take, gets a U+FFFD instead",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="print rows and checksum of every table")
    return run_command(NAME, _port(parser.parse_args(argv)))


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("expected a number from 1 up")
    return int(text)


async def _port(given: argparse.Namespace) -> int:
    config = read_config(given.postgres_config)
    if config.database.engine != "postgres":
        raise CommandError(f"`database` in {given.postgres_config[0]} is one of SQLite; let it name the new one")
    try:
        # Imports the driver, which is installed only with the extra.
        from ranvier.cli.port_database import fill_from
    except ModuleNotFoundError as error:
        raise CommandError("the driver of PostgreSQL is not installed: pip install 'ranvier[postgres]'") from error
    path = given.sqlite_database
    found, identity = await _look_at(path, config)
    try:
        with alone_with(path) as source:
            marks = await fill_from(
                source,
                config.database,
                found,
                identity,
                portion_rows=given.batch_size,
                replaces_nul=given.replace_nul,
            )
    except InUse as error:
        raise CommandError(f"{error}: stop the server (nothing may be written while it is copied)") from error
    if given.verbose:
        for name, mark in marks.items():
            print(f"{name:30} {mark.rows:>12,}  {mark.digest}")
    rows = sum(mark.rows for mark in marks.values())
    print(f"{rows:,} rows of {len(marks)} tables are in PostgreSQL, and the same there as in {path}.")
    print(f"Start the server with {given.postgres_config[0]}, and never again with {path}.")
    return 0


async def _look_at(path: str, config: Config) -> tuple[list[Table], str]:
    """The tables of the source, and what identifies it. Raises `CommandError` if it is not this server's."""
    args = {"database": path}
    async with open_existing(dataclasses.replace(config.database, engine="sqlite", args=args)) as db:
        found = [table for table in await tables(db, "sqlite") if table.name != "schema_version"]
        versions = await db.all("SELECT version, applied FROM schema_version ORDER BY version")
        user_id = await db.value("SELECT name FROM users LIMIT 1")
    if user_id is not None and user_id.partition(":")[2] != config.server_name:
        raise CommandError(f"{path} is not the database of {config.server_name}: it holds {user_id}")
    return found, hashlib.sha256(msgspec.json.encode(versions)).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
