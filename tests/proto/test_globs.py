"""Spec: appendices, "Glob-style matching"; client-server API, "Push Rules" (word boundaries)."""

import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.globs import compile_glob, compile_word_glob, contains_word

texts = st.text(alphabet="ab-\n", max_size=12)
patterns = st.text(alphabet="ab-?*", max_size=6)


def _regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)


@given(patterns, texts)
def test_a_glob_matches_as_a_regular_expression_would(pattern: str, text: str) -> None:
    expected = re.fullmatch(_regex(pattern), text, re.DOTALL) is not None
    assert compile_glob(pattern)(text) == expected


@given(patterns, texts)
def test_a_word_glob_matches_as_a_regular_expression_would(pattern: str, text: str) -> None:
    expected = re.search(f"(?<![A-Za-z0-9_]){_regex(pattern)}(?![A-Za-z0-9_])", text, re.DOTALL) is not None
    assert compile_word_glob(pattern)(text) == expected


@given(st.text(alphabet="a?*", max_size=4), st.text(alphabet="a?b", max_size=6))
def test_a_question_mark_may_stand_for_itself(pattern: str, text: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    assert compile_glob(pattern, question_mark=False)(text) == expected


@pytest.mark.parametrize(
    ("text", "word", "found"),
    [
        ("hello bob", "bob", True),
        ("bob", "bob", True),
        ("bobby, bob!", "bob", True),
        ("bobby", "bob", False),
        ("kabob", "bob", False),
        ("bob_", "bob", False),
        ("ébobé", "bob", True),
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
    ],
)
def test_words(text: str, word: str, found: bool) -> None:
    assert contains_word(text, word) is found
    assert compile_word_glob(word)(text) is found


def test_no_pattern_makes_matching_slow() -> None:
    text = "a " * 30_000
    started = process_time()
    for pattern in ("*a" * 200 + "b", "a*b", "a*" * 500 + "x", "?" * 50 + "*b", "*?a*?a*?a*?b", "a b*a?b"):
        assert not compile_glob(pattern)(text)
        assert not compile_word_glob(pattern)(text)
    assert process_time() - started < 2
