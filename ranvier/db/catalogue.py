"""What a database holds, whatever it is: tables, columns, primary keys. For programs that copy databases."""

from dataclasses import dataclass

from ranvier.db.engine import Reader


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    name: str
    columns: tuple[str, ...]
    """In their order; without those that the database computes."""
    key: tuple[str, ...]
    """The columns of the primary key."""


async def tables(db: Reader, dialect: str) -> list[Table]:
    """Every table, by name. A few statements."""
    rows = await (_sqlite_columns(db) if dialect == "sqlite" else _postgres_columns(db))
    columns: dict[str, list[str]] = {}
    keys: dict[str, list[tuple[int, str]]] = {}
    for table, column, place in rows:
        columns.setdefault(table, []).append(column)
        if place:
            keys.setdefault(table, []).append((place, column))
    return [
        Table(name, tuple(columns[name]), tuple(column for _, column in sorted(keys.get(name, ()))))
        for name in sorted(columns)
    ]


async def schema_versions(db: Reader, dialect: str) -> list[int]:
    """The migrations that have been applied; none in a database that is not Ranvier's, or new."""
    if "schema_version" not in {table.name for table in await tables(db, dialect)}:
        return []
    return [row[0] for row in await db.all("SELECT version FROM schema_version ORDER BY version")]


async def _sqlite_columns(db: Reader) -> list[tuple[str, str, int]]:
    rows = await db.all(
        "SELECT m.name, c.name, c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c"
        " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY m.name, c.cid"
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def _postgres_columns(db: Reader) -> list[tuple[str, str, int]]:
    rows = await db.all(
        "SELECT c.relname::text, a.attname::text, COALESCE(array_position(i.indkey::int2[], a.attnum), -1) + 1"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary"
        " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND a.attnum > 0"
        " AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY c.relname, a.attnum"
    )
    return [(row[0], row[1], row[2]) for row in rows]
