"""A PostgreSQL database that is filled from an SQLite one, table by table, across interruptions."""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from ranvier.cli.fill_postgres import make_tables
from ranvier.cli.opening import CommandError
from ranvier.cli.port_tables import PortedTable
from ranvier.cli.progress import Progress
from ranvier.config.sections import DatabaseConfig
from ranvier.db.catalogue import Table, schema_versions, tables
from ranvier.db.engine import Tx
from ranvier.db.migrate import UNFINISHED, load_migrations, mark_finished
from ranvier.db.port_marks import MARKS, Mark, begin_marks, drop_marks, forget_mark, read_marks, source_of_marks
from ranvier.db.postgres_copy import connected
from ranvier.db.sqlite_source import SqliteSource

_LOCK_NUMBER: Final = 0x52616E77
_LOCK_TIMEOUT_S: Final = 20
"""An attempt that was killed may have left a statement behind, which ends by itself."""
_NOT_COPIED: Final = ("schema_version", MARKS)


async def fill_from(
    source: SqliteSource,
    config: DatabaseConfig,
    found: Sequence[Table],
    identity: str,
    *,
    portion_rows: int,
    replaces_nul: bool,
) -> Mapping[str, Mark]:
    """Copy, compare, and let servers start on it; what is there then."""
    async with connected(config) as target:
        await target.lock(_LOCK_NUMBER, timeout_s=_LOCK_TIMEOUT_S)
        async with target.transaction(read_only=False) as copy:
            await _claim(copy.tx, identity)
        await make_tables(config, load_migrations(), now_ms=time.time_ns() // 1_000_000)
        async with target.transaction(read_only=True) as copy:
            _require_same(found, await tables(copy.tx, "postgres"))
            ported = [PortedTable(table, await copy.column_types(table.name)) for table in found]
            before = await read_marks(copy.tx)
        if not replaces_nul:
            _refuse_nul(source, ported)
        marks: dict[str, Mark] = {}
        rows = sum(source.count(table) for table in found)
        with Progress("database", 2 * rows) as progress:
            for table in ported:
                marks[table.table.name] = await table.copy(
                    source, target, before.get(table.table.name), portion_rows=portion_rows, progress=progress
                )
            different = [
                table.table.name
                for table in ported
                if await table.read_back(target, progress) != marks[table.table.name]
            ]
        async with target.transaction(read_only=False) as copy:
            for name in different:
                await forget_mark(copy.tx, name)
            if not different:
                await copy.set_sequences()
                await drop_marks(copy.tx)
                await mark_finished(copy.tx)
        if different:
            raise CommandError(
                f"after the copy these tables are not the same: {', '.join(different)}; the same command copies them again"
            )
        await target.analyze()
    return marks


async def _claim(tx: Tx, identity: str) -> None:
    """Raises `CommandError` unless the database is empty, or what this port has left behind."""
    there = [table.name for table in await tables(tx, "postgres")]
    if not there:
        await begin_marks(tx, identity)
        return
    if MARKS not in there:
        raise CommandError(f"the new database has tables already ({', '.join(there[:3])}, ...); give one that is empty")
    if await source_of_marks(tx) != identity:
        raise CommandError(
            "the new database holds the unfinished port of another one, or of another version; give one that is empty"
        )
    versions = await schema_versions(tx, "postgres")
    if versions and UNFINISHED not in versions:
        raise CommandError("a server has been started on the new database; give one that is empty")


def _require_same(found: Sequence[Table], there: Sequence[Table]) -> None:
    """Raises `CommandError` if tables or columns are not those that this version makes."""
    new = {table.name: set(table.columns) for table in there if table.name not in _NOT_COPIED}
    old = {table.name: set(table.columns) for table in found}
    wrong = sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))
    if wrong:
        raise CommandError(f"these tables are not what Ranvier makes: {', '.join(wrong)}; nothing was copied")


def _refuse_nul(source: SqliteSource, ported: Sequence[PortedTable]) -> None:
    held = [
        f"{table.table.name}.{column} ({number})"
        for table in ported
        for column, number in source.rows_with_nul(table.table, table.text_columns).items()
    ]
    if held:
        raise CommandError(
            f"text with a NUL, which PostgreSQL does not take, is in {', '.join(held)}; nothing was copied."
            " With --replace-nul a U+FFFD stands there instead"
        )
