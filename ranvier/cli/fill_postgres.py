"""A PostgreSQL database that is filled from somewhere: empty at first, and of no use to a server until it is whole."""

from collections.abc import Sequence

from ranvier.cli.opening import CommandError
from ranvier.config.sections import DatabaseConfig
from ranvier.db.catalogue import schema_versions, tables
from ranvier.db.engine import Reader
from ranvier.db.migrate import UNFINISHED, Migration, mark_unfinished, migrate
from ranvier.db.open import open_unmigrated
from ranvier.db.port_marks import MARKS


async def refuse_used_postgres(config: DatabaseConfig) -> None:
    """Raises `CommandError` if the database has tables, other than those of an unfinished attempt."""
    from ranvier.db.postgres_copy import copying

    async with copying(config, read_only=True) as copy:
        await refuse_used(copy.tx, str(config.args.get("dbname") or config.args.get("database") or "there"))


async def refuse_used(db: Reader, name: str) -> None:
    """As `refuse_used_postgres`, on a connection."""
    found = [table.name for table in await tables(db, "postgres")]
    if found and not await is_unfinished(db, found):
        named = ", ".join(found[:3])
        raise CommandError(f"the database {name} has tables already ({named}, ...); give one that is empty")


async def is_unfinished(db: Reader, found: Sequence[str]) -> bool:
    """Whether these tables are what an attempt has left."""
    if "schema_version" not in found or MARKS in found:  # a port is no attempt at anything else
        return False
    versions = await schema_versions(db, "postgres")
    return UNFINISHED in versions or (not versions and len(found) == 1)


async def clear_unfinished(config: DatabaseConfig) -> None:
    """Begin anew. Only after `refuse_used_postgres`."""
    from ranvier.db.postgres_copy import copying

    async with copying(config, read_only=False) as copy:
        await copy.drop_everything()


async def make_tables(config: DatabaseConfig, migrations: Sequence[Migration], *, now_ms: int) -> None:
    """Empty tables of a version, in a database that no server starts on. Goes on where it was interrupted."""
    db = await open_unmigrated(config)
    try:
        await migrate(db, now_ms=now_ms, migrations=[], even_unfinished=True)
        async with db.write() as tx:
            await mark_unfinished(tx)
        await migrate(db, now_ms=now_ms, migrations=migrations, even_unfinished=True)
    finally:
        await db.close()
