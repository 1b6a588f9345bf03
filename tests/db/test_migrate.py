"""The schema is brought up to date, once, in order, and never by software that is too old."""

from pathlib import Path

import pytest

from ranvier.db.engine import Database, DatabaseError
from ranvier.db.migrate import Migration, load_migrations, migrate, statements

ONE = Migration(1, "0001_one.sql", "CREATE TABLE one (a {{serial_key}}, b {{bytes}} NOT NULL);\n-- a; comment\n")
THREE = Migration(3, "0003_three.sql", "CREATE TABLE three (a BIGINT NOT NULL PRIMARY KEY, b TEXT) {{without_rowid}};")
BROKEN = Migration(4, "0004_broken.sql", "CREATE TABLE four (a BIGINT); CREATE NONSENSE;")


async def test_each_step_is_applied_once_and_gaps_are_filled_later(db: Database) -> None:
    assert await migrate(db, now_ms=5, migrations=[THREE]) == [3]
    assert await migrate(db, now_ms=6, migrations=[ONE, THREE]) == [1]
    assert await migrate(db, now_ms=7, migrations=[ONE, THREE]) == []
    assert await db.all("SELECT version, compat_version, applied FROM schema_version ORDER BY version") == [
        (1, 0, 6),
        (3, 0, 5),
    ]
    async with db.write() as tx:
        assert await tx.value("INSERT INTO one (b) VALUES ($1) RETURNING a", b"\0\xff") == 1
    assert await db.value("SELECT b FROM one") == b"\0\xff"


async def test_a_step_that_fails_leaves_nothing_of_itself(db: Database) -> None:
    with pytest.raises(DatabaseError):
        await migrate(db, now_ms=1, migrations=[ONE, BROKEN])
    assert await db.all("SELECT version FROM schema_version") == [(1,)]
    with pytest.raises(DatabaseError):
        await db.all("SELECT a FROM four")


async def test_older_software_may_use_a_compatible_database(db: Database) -> None:
    await migrate(db, now_ms=1, migrations=[ONE, THREE])
    assert await migrate(db, now_ms=1, migrations=[ONE]) == []


async def test_older_software_refuses_an_incompatible_database(db: Database) -> None:
    breaking = Migration(9, "0009_breaking.sql", "-- compat: 9\nDROP TABLE one;")
    await migrate(db, now_ms=1, migrations=[ONE, breaking])
    with pytest.raises(DatabaseError, match="newer version of Ranvier: it needs schema 9"):
        await migrate(db, now_ms=1, migrations=[ONE, THREE])


async def test_the_real_schema(db: Database) -> None:
    done = await migrate(db, now_ms=1)
    assert done == [step.version for step in load_migrations()]


def test_two_files_with_one_number_are_a_mistake(tmp_path: Path) -> None:
    for name in ("0001_a.sql", "0001_b.sql", "README.md"):
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(DatabaseError, match="numbered 0001"):
        load_migrations(tmp_path)


def test_statements_are_split_outside_of_quotes_and_comments() -> None:
    sql = "A ';--' B; -- c; d\nE \"x;y\" 1 - 2;\n;F $$ a; b $$"
    assert statements(sql, "sqlite") == ["A ';--' B", 'E "x;y" 1 - 2', "F $$ a; b $$"]


def test_macros() -> None:
    sql = "{{external_storage events json}}; CREATE TABLE t (a {{bytes}}) {{without_rowid}}"
    assert statements(sql, "sqlite") == ["CREATE TABLE t (a BLOB) WITHOUT ROWID"]
    assert statements(sql, "postgres") == [
        "ALTER TABLE events ALTER COLUMN json SET STORAGE EXTERNAL",
        "CREATE TABLE t (a BYTEA)",
    ]
    with pytest.raises(DatabaseError, match="unknown macro"):
        statements("{{nonsense}}", "sqlite")
