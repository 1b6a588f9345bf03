"""Checksums of rows: the same in whatever order, and another one for whatever else differs."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from ranvier.db.row_digest import RowDigest

values = st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(max_size=5) | st.binary(max_size=5)
rows = st.lists(st.tuples(values, values), max_size=8)


def _digest(rows: list[tuple[object, object]]) -> tuple[int, str]:
    digest = RowDigest()
    for row in rows:
        digest.add(row)
    return digest.rows, digest.hex()


@given(rows, st.randoms())
def test_the_order_does_not_count(some: list[tuple[object, object]], random: Random) -> None:
    other = list(some)
    random.shuffle(other)
    assert _digest(some) == _digest(other)


@given(rows, rows)
def test_everything_else_does(some: list[tuple[object, object]], other: list[tuple[object, object]]) -> None:
    same = sorted(map(repr, some)) == sorted(map(repr, other))
    assert (_digest(some) == _digest(other)) == same


def test_text_is_not_bytes() -> None:
    assert _digest([("a", 1)]) != _digest([(b"a", 1)])
    assert _digest([(None, 1)]) != _digest([("", 1)])
