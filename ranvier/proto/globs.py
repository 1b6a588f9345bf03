"""Glob patterns, matched in time linear in the text whatever the pattern.

Spec: appendices, "Glob-style matching"; client-server API, "Push Rules" (word boundaries). A pattern is cut at its `*`
and the pieces are looked for from left to right, each at its first place: nothing is ever tried twice. Regular
expressions would backtrack, and both pattern and text come from strangers.
"""

import re
from collections.abc import Callable
from typing import Final

Matcher = Callable[[str], bool]

_Finder = Callable[[str, int], tuple[int, int]]
"""The first place at or after an index, as `(start, end)`; `(-1, -1)` if there is none."""

_WORD: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_NOWHERE: Final = (-1, -1)


def compile_glob(pattern: str, *, question_mark: bool = True) -> Matcher:
    """A matcher of whole texts. `question_mark` says whether `?` stands for one character or for itself."""
    first, *rest = pattern.split("*")
    if not rest:
        return _whole(pattern, question_mark=question_mark)
    *middle, last = rest
    if not middle and not first and not last:
        return lambda text: True
    begins = _piece_at(first, question_mark=question_mark)
    ends = _piece_at(last, question_mark=question_mark)
    finders = [_finder(piece, question_mark=question_mark) for piece in middle if piece]
    first_size, last_size = len(first), len(last)

    def matches(text: str) -> bool:
        end = len(text) - last_size
        if end < first_size or not begins(text, 0) or not ends(text, end):
            return False
        at = first_size
        for find in finders:
            start, at = find(text, at)
            if start < 0 or at > end:
                return False
        return True

    return matches


def compile_word_glob(pattern: str) -> Matcher:
    """A matcher of texts that hold a match which starts and ends at word boundaries."""
    pieces = pattern.split("*")
    first, last = _finder(pieces[0], question_mark=True), _finder(pieces[-1], question_mark=True)
    if len(pieces) == 1:
        return lambda text: _find_bounded(first, text, 0, left=True, right=True) >= 0
    middle = [_finder(piece, question_mark=True) for piece in pieces[1:-1] if piece]

    def matches(text: str) -> bool:
        at = _find_bounded(first, text, 0, left=True, right=False)
        for find in middle:
            if at < 0:
                return False
            _, at = find(text, at)
        return at >= 0 and _find_bounded(last, text, at, left=False, right=True) >= 0

    return matches


def contains_word(text: str, word: str) -> bool:
    """Whether `word` stands in the text, as it is, between word boundaries."""
    return _find_bounded(_finder(word, question_mark=False), text, 0, left=True, right=True) >= 0


def _find_bounded(find: _Finder, text: str, at: int, *, left: bool, right: bool) -> int:
    """The end of the first match from `at` on that has a word boundary on the sides asked for, or -1."""
    while True:
        start, end = find(text, at)
        if start < 0:
            return -1
        starts_well = not left or start == 0 or text[start - 1] not in _WORD
        if starts_well and (not right or end == len(text) or text[end] not in _WORD):
            return end
        at = start + 1


def _finder(piece: str, *, question_mark: bool) -> _Finder:
    size = len(piece)
    if question_mark and "?" in piece:
        search = _pattern(piece).search

        def find_pattern(text: str, at: int) -> tuple[int, int]:
            found = search(text, at) if at <= len(text) else None
            return _NOWHERE if found is None else found.span()

        return find_pattern

    def find_text(text: str, at: int) -> tuple[int, int]:
        start = text.find(piece, at)
        return _NOWHERE if start < 0 else (start, start + size)

    return find_text


def _piece_at(piece: str, *, question_mark: bool) -> Callable[[str, int], bool]:
    if question_mark and "?" in piece:
        match = _pattern(piece).match
        return lambda text, at: match(text, at) is not None
    return lambda text, at: text.startswith(piece, at)


def _whole(pattern: str, *, question_mark: bool) -> Matcher:
    if question_mark and "?" in pattern:
        fullmatch = _pattern(pattern).fullmatch
        return lambda text: fullmatch(text) is not None
    return lambda text: text == pattern


def _pattern(piece: str) -> re.Pattern[str]:
    """A piece without `*`: all its matches have its length."""
    return re.compile("".join("." if char == "?" else re.escape(char) for char in piece), re.DOTALL)
