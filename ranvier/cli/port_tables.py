"""Tables of SQLite into the same tables of PostgreSQL, portion by portion, and a look at whether they are the same."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ranvier.cli.opening import CommandError
from ranvier.cli.progress import Progress
from ranvier.db.catalogue import Table
from ranvier.db.engine import Row
from ranvier.db.port_marks import Mark, write_mark
from ranvier.db.postgres_copy import PostgresConnection
from ranvier.db.row_digest import RowDigest
from ranvier.db.sqlite_source import SqliteSource

PORTION_BYTES: Final = 4 << 20
_INTEGER_BITS: Final = {"int2": 15, "int4": 31, "int8": 63}
_REPLACEMENT: Final = "\ufffd"

Convert = Callable[[object], object]


class PortedTable:
    """One table on its way."""

    def __init__(self, table: Table, types: Mapping[str, str]) -> None:
        self.table = table
        self.text_columns = [column for column in table.columns if types[column] == "text"]
        self._converts = [_convert(table.name, column, types[column]) for column in table.columns]

    def converted(self, row: Row) -> Row:
        """The row as PostgreSQL's columns take it. Raises `CommandError` if they cannot."""
        return tuple(
            None if value is None else convert(value) for convert, value in zip(self._converts, row, strict=True)
        )

    async def copy(
        self,
        source: SqliteSource,
        target: PostgresConnection,
        mark: Mark | None,
        *,
        portion_rows: int,
        progress: Progress,
    ) -> Mark:
        """Copy what is not there yet; what there is then. `mark` is what an earlier attempt has copied.

        If the source has changed since, the table is copied anew.
        """
        digest = RowDigest()
        copied = mark if mark is not None and mark.rows else None
        is_new = copied is None
        portion: list[Row] = []
        size_bytes = 0
        for raw in source.rows(self.table):
            row = self.converted(raw)
            size_bytes += digest.add(row)
            if copied is not None:
                if digest.rows == copied.rows:
                    if Mark(digest.rows, digest.hex()) != copied:
                        return await self.copy(source, target, None, portion_rows=portion_rows, progress=progress)
                    copied, size_bytes = None, 0
                    progress.advance(digest.rows, doing=self.table.name)
                continue
            portion.append(row)
            if len(portion) >= portion_rows or size_bytes >= PORTION_BYTES:
                await self._write(target, portion, Mark(digest.rows, digest.hex()), is_new=is_new)
                progress.advance(len(portion), doing=self.table.name)
                is_new, portion, size_bytes = False, [], 0
        if copied is not None:  # there are fewer rows than before
            return await self.copy(source, target, None, portion_rows=portion_rows, progress=progress)
        reached = Mark(digest.rows, digest.hex())
        if portion or reached != mark:
            await self._write(target, portion, reached, is_new=is_new)
            progress.advance(len(portion), doing=self.table.name)
        return reached

    async def _write(self, target: PostgresConnection, rows: Sequence[Row], mark: Mark, *, is_new: bool) -> None:
        async with target.transaction(read_only=False) as copy:
            if is_new:
                await copy.tx.run(f'DELETE FROM "{self.table.name}"')  # an older attempt's, or a migration's
            if rows:
                await copy.insert(self.table, rows)
            await write_mark(copy.tx, self.table.name, mark)

    async def read_back(self, target: PostgresConnection, progress: Progress) -> Mark:
        """What is there, by reading all of it."""
        digest = RowDigest()
        columns = ", ".join(f'"{column}"' for column in self.table.columns)
        async with target.transaction(read_only=True) as copy:
            async for row in copy.rows(f'SELECT {columns} FROM "{self.table.name}"'):
                digest.add(row)
                progress.advance(doing=f"comparing {self.table.name}")
        return Mark(digest.rows, digest.hex())


def _convert(table: str, column: str, type_name: str) -> Convert:
    """SQLite does not keep a column to its type, and PostgreSQL does."""
    bits = _INTEGER_BITS.get(type_name)

    def refuse(value: object) -> CommandError:
        return CommandError(f"{table}.{column} holds {value!r:.60}, which PostgreSQL does not take as {type_name}")

    def integer(value: object) -> object:
        if bits is None or not isinstance(value, int) or not -(1 << bits) <= value < 1 << bits:
            raise refuse(value)
        return value

    def text(value: object) -> object:
        if isinstance(value, bytes):
            try:
                value = value.decode()
            except UnicodeDecodeError as error:
                raise refuse(value) from error
        if not isinstance(value, str):
            raise refuse(value)
        return value.replace("\0", _REPLACEMENT) if "\0" in value else value

    def binary(value: object) -> object:
        if isinstance(value, str):
            return value.encode()
        if not isinstance(value, bytes):
            raise refuse(value)
        return value

    return {"text": text, "bytea": binary}.get(type_name, integer)
