"""Marks find what has changed since."""

from hypothesis import given
from hypothesis import strategies as st

from ranvier.sync.marks import Marks


@given(st.lists(st.integers(0, 8)), st.integers(0, 40))
def test_what_has_changed_after(keys: list[int], since: int) -> None:
    marks: Marks[int] = Marks()
    last: dict[int, int] = {}
    for pos, key in enumerate(keys, start=1):
        marks.touch(key, pos)
        last[key] = pos
    expected = sorted((key for key, pos in last.items() if pos > since), key=lambda key: -last[key])
    assert list(marks.after(since)) == expected
    assert marks.newest == len(keys)
    assert marks.has_after(since) == (len(keys) > since)
    assert all(marks.get(key) == last.get(key, -1) for key in range(9))


def test_marks_that_were_made_in_another_order() -> None:
    marks: Marks[str] = Marks()
    for key, pos in (("b", 5), ("c", 9), ("a", 2), ("b", 3)):
        marks.touch(key, pos)
    marks.sort()
    assert list(marks.after(2)) == ["c", "b"]
    marks.forget("c")
    assert list(marks.after(0)) == ["b", "a"]


def test_what_came_before_the_beginning_is_not_known() -> None:
    marks: Marks[str] = Marks()
    marks.begin(7)
    assert marks.has_after(6) and not marks.has_after(7)
    assert list(marks.after(0)) == []
