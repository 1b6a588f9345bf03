"""The database of a backup, put where there is none. It is whole at the end, or not there."""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from ranvier.cli.backup import DATABASE_FILE
from ranvier.cli.backup_folder import BackupFolder
from ranvier.cli.fill_postgres import clear_unfinished, make_tables, refuse_used_postgres
from ranvier.cli.opening import CommandError, sqlite_path
from ranvier.cli.progress import Progress
from ranvier.config.sections import DatabaseConfig
from ranvier.db.migrate import Migration, load_migrations, mark_finished, migrate
from ranvier.db.open import open_unmigrated
from ranvier.db.sqlite_copy import find_damage
from ranvier.store.restored import make_safe


async def refuse_used_database(config: DatabaseConfig) -> None:
    """Raises `CommandError` if anything is where the database belongs, but an unfinished restoration."""
    if config.engine == "sqlite":
        _refuse_file(sqlite_path(config))
        return
    await refuse_used_postgres(config)


async def restore_database(backup: BackupFolder, config: DatabaseConfig, *, jump: int) -> None:
    """Raises `CommandError` and `DatabaseError`; started again, it begins anew."""
    if backup.manifest.engine != config.engine:
        raise CommandError(
            f"the backup is one of {backup.manifest.engine}, and the configuration says {config.engine}; restore to"
            f" {backup.manifest.engine}"
        )
    migrations = _migrations_of(backup.manifest.schema)
    if config.engine == "sqlite":
        await _restore_sqlite(backup, config, jump=jump)
    else:
        await _restore_postgres(backup, config, migrations, jump=jump)


def _migrations_of(schema: Sequence[int]) -> list[Migration]:
    known = {migration.version: migration for migration in load_migrations()}
    missing = [version for version in schema if version not in known]
    if missing:
        raise CommandError("the backup was made by a newer version of Ranvier; restore it with that one")
    return [known[version] for version in schema]


def _refuse_file(path: str) -> None:
    if os.path.exists(path):
        raise CommandError(f"{path} exists; a server is restored only to where there is none")


async def _restore_sqlite(backup: BackupFolder, config: DatabaseConfig, *, jump: int) -> None:
    path = sqlite_path(config)
    part = f"{path}.restoring"
    Path(part).unlink(missing_ok=True)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    shutil.copyfile(backup.path / DATABASE_FILE, part)
    os.chmod(part, 0o600)
    damage = find_damage(part)
    if damage:
        raise CommandError(f"the database in the backup is damaged: {'; '.join(damage)}")
    db = await open_unmigrated(
        DatabaseConfig(
            engine="sqlite",
            args={**config.args, "database": part},
            pool_min=1,
            pool_max=1,
            txn_limit=0,
            allow_unsafe_locale=False,
        )
    )
    try:
        await migrate(db, now_ms=time.time_ns() // 1_000_000)
        async with db.write() as tx:
            await make_safe(tx, jump=jump)
    finally:
        await db.close()
    for end in ("-wal", "-shm"):
        Path(part + end).unlink(missing_ok=True)
    _refuse_file(path)
    os.rename(part, path)


async def _restore_postgres(
    backup: BackupFolder, config: DatabaseConfig, migrations: Sequence[Migration], *, jump: int
) -> None:
    from ranvier.db.postgres_copy import copying

    now_ms = time.time_ns() // 1_000_000
    await clear_unfinished(config)
    await make_tables(config, migrations, now_ms=now_ms)
    async with copying(config, read_only=False) as copy:
        with Progress("database", len(backup.manifest.tables)) as progress:
            for name, table in backup.manifest.tables.items():
                if name == "schema_version":  # as the migrations have made it
                    continue
                rows = await copy.read_in(name, table.columns, backup.path / f"database/{name}.copy.gz")
                if rows != table.rows:
                    raise CommandError(f"table {name} has {rows} rows instead of {table.rows}")
                progress.advance(doing=name)
        await copy.set_sequences()
    db = await open_unmigrated(config)
    try:
        await migrate(db, now_ms=now_ms, even_unfinished=True)
        async with db.write() as tx:
            await make_safe(tx, jump=jump)
            await mark_finished(tx)
    finally:
        await db.close()
