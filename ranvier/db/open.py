"""Opening the database that the configuration names, with its schema up to date."""

from ranvier.config.sections import DatabaseConfig
from ranvier.db.engine import Database, DatabaseError
from ranvier.db.migrate import migrate
from ranvier.db.sqlite import open_sqlite


async def open_database(config: DatabaseConfig, *, now_ms: int) -> Database:
    """An open, migrated database. Raises `DatabaseError` with a sentence for the operator."""
    db = await open_unmigrated(config)
    try:
        await migrate(db, now_ms=now_ms)
    except BaseException:
        await db.close()
        raise
    return db


async def open_unmigrated(config: DatabaseConfig) -> Database:
    """An open database as it is, or as it was just made. Raises `DatabaseError` with a sentence for the operator."""
    if config.engine == "sqlite":
        return await open_sqlite(str(config.args.get("database", ":memory:")))
    try:
        # Only who uses PostgreSQL needs the driver; importing it takes time.
        from ranvier.db.postgres import open_postgres
    except ModuleNotFoundError as error:
        raise DatabaseError(
            "PostgreSQL is configured, but its driver is not installed: pip install 'ranvier[postgres]'"
        ) from error
    return await open_postgres(config)
