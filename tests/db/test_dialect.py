"""The translation of statements for SQLite."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.db.dialect import to_sqlite


@pytest.mark.parametrize(
    ("sql", "expected", "lists"),
    [
        ("SELECT 1", "SELECT 1", ()),
        ("SELECT $1, $12, $1", "SELECT ?1, ?12, ?1", ()),
        ("a = ANY($1)", "a IN (SELECT value FROM json_each(?1))", (0,)),
        (
            "a = any ( $2 ) AND b <> ALL($1)",
            "a IN (SELECT value FROM json_each(?2)) AND b NOT IN (SELECT value FROM json_each(?1))",
            (0, 1),
        ),
    ],
)
def test_translation(sql: str, expected: str, lists: tuple[int, ...]) -> None:
    statement = to_sqlite(sql)
    assert statement.sql == expected
    assert statement.lists == lists


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_lists_of_any_text_arrive(values: list[str]) -> None:
    statement = to_sqlite("SELECT value FROM json_each($1) WHERE value = ANY($1)")
    with closing(sqlite3.connect(":memory:")) as connection:
        rows = connection.execute(statement.sql, statement.bind([values])).fetchall()
    assert [row[0] for row in rows] == values
