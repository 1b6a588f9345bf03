"""`ranvier backup`: a consistent copy of a server that may be running: database, keys, configuration, media."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ranvier import __version__
from ranvier.cli.arguments import DEFAULT_CONFIG
from ranvier.cli.backup_folder import BackupFolder, Manifest, TableOf
from ranvier.cli.config_files import media_folder, own_files
from ranvier.cli.opening import CommandError, open_existing, read_config, sqlite_path
from ranvier.cli.parser import CommandParser, add_config_option
from ranvier.cli.progress import Progress
from ranvier.cli.running import run_command
from ranvier.config.model import Config
from ranvier.config.sections import DatabaseConfig
from ranvier.db.catalogue import schema_versions, tables
from ranvier.db.sqlite_copy import copy_online, find_damage

DATABASE_FILE: Final = "database/homeserver.db"


def main(argv: Sequence[str] | None = None) -> int:
    """Make a backup; the exit status."""
    parser = CommandParser(
        "ranvier backup", "Copy a server, running or not, into a folder; `ranvier restore` reads it."
    )
    add_config_option(parser)
    parser.add_argument("folder", nargs="?", metavar="DIR", help="a new folder (one named after server and time)")
    parser.add_argument("--no-media", action="store_true", help="leave the media out")
    given = parser.parse_args(argv)
    return run_command("ranvier backup", _back_up(given.config_path, given.folder, with_media=not given.no_media))


async def _back_up(config_paths: Sequence[str] | None, folder: str | None, *, with_media: bool) -> int:
    config = read_config(config_paths)
    async with open_existing(config.database) as db:  # says so if there is none
        schema = await schema_versions(db, db.dialect)
    backup = _begin(config, config_paths, folder, schema)
    if config.database.engine == "sqlite":
        _copy_sqlite(backup, config.database)
    else:
        await _copy_postgres(backup, config.database)
    for number, path in enumerate(own_files(config_paths, config.server_name)):
        backup.copy(path, f"configuration/{number}-{os.path.basename(path)}")
    if with_media:
        _copy_media(backup)
    backup.finish()
    size = sum(listed.size_bytes for listed in backup.manifest.files.values())
    print(
        f"{len(backup.manifest.files)} files, {size / 1e6:.1f} MB; keep them secret, the keys are in there",
        file=sys.stderr,
    )
    print(backup.path)
    return 0


def _begin(config: Config, config_paths: Sequence[str] | None, folder: str | None, schema: list[int]) -> BackupFolder:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = Path(folder or f"ranvier-backup-{config.server_name.replace(':', '-')}-{stamp}")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise CommandError(f"{path} is not empty; a backup wants a folder of its own")
    (path / "database").mkdir(mode=0o700)
    manifest = Manifest(
        server_name=config.server_name,
        engine=config.database.engine,
        created_ts=time.time_ns() // 1_000_000,
        ranvier_version=__version__,
        schema=schema,
        config_paths=[os.path.abspath(one) for one in config_paths or (DEFAULT_CONFIG,)],
        media_folder=media_folder(config_paths),
    )
    return BackupFolder(path, manifest)


def _copy_sqlite(backup: BackupFolder, config: DatabaseConfig) -> None:
    target = backup.path / DATABASE_FILE
    with Progress("database", 1000) as progress:
        shown = 0

        def tell(done: int, total: int) -> None:
            nonlocal shown
            now = 1000 * done // max(total, 1)
            progress.advance(now - shown)
            shown = now

        copy_online(sqlite_path(config), target, tell)
    damage = find_damage(str(target))
    if damage:
        raise CommandError(f"the database is damaged, and so is the copy: {'; '.join(damage)}")
    backup.add(DATABASE_FILE)


async def _copy_postgres(backup: BackupFolder, config: DatabaseConfig) -> None:
    from ranvier.db.postgres_copy import copying

    async with copying(config, read_only=True) as copy:
        found = await tables(copy.tx, "postgres")
        with Progress("database", len(found)) as progress:
            for table in found:
                name = f"database/{table.name}.copy.gz"
                await copy.write_out(table, backup.path / name)
                rows = await copy.tx.value(f'SELECT COUNT(*) FROM "{table.name}"')
                (backup.path / name).chmod(0o600)
                backup.add(name)
                backup.manifest.tables[table.name] = TableOf(table.columns, rows)
                progress.advance(doing=table.name)


def _copy_media(backup: BackupFolder) -> None:
    """Files are never changed once they are there, so that a server that runs does no harm."""
    root = Path(backup.manifest.media_folder)
    files = [path for path in sorted(root.rglob("*")) if path.is_file()] if root.is_dir() else []
    with Progress("media", len(files)) as progress:
        for path in files:
            backup.copy(str(path), f"media/{path.relative_to(root)}")
            progress.advance()


if __name__ == "__main__":
    sys.exit(main())
