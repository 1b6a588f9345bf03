"""What people are called, as words that can be searched: whatever the script, the case or the accents.

Spec: client-server API, "User Directory". Both databases, and any machine, find the same: nothing here asks for a locale.

Texts fall apart into terms of three kinds. *Words* are letters and digits side by side; whoever searches types their
beginnings. Scripts that put no space between words (Chinese, Japanese, Thai and their neighbours) make *runs*, in which any
part is found. Each emoji or other *symbol* stands alone.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

MAX_TEXT: Final = 512
"""So many characters of a name are looked at."""
MAX_TERMS: Final = 16
"""Of a query."""
TOKEN_LENGTH: Final = 64
"""So many characters of a word tell it from others."""

_FOLDED: Final = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "\u0131": "i",
        "ŧ": "t",
        "ŋ": "n",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
    }
)
"""Letters that Unicode does not take apart."""
_DROPPED: Final = frozenset("'`\u00b4\u02bc\u2019\u200d\u200c\u00ad\ufe0e\ufe0f")
"""What neither parts words nor belongs to them: apostrophes, and what joins and dresses emoji."""
_RUNS: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x3100, 0x312F),  # bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)


class Kind(Enum):
    """Of a term."""

    WORD = "word"
    RUN = "run"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Term:
    """A piece of a text, folded."""

    kind: Kind
    text: str


def fold(text: str) -> str:
    """The text without case, accents, width and other finery. Voicing marks of kana and vowel signs stay: they tell
    words apart.
    """
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text[:MAX_TEXT]).casefold())
    plain = "".join(letter for letter in apart if not _is_accent(letter))
    return unicodedata.normalize("NFC", plain).translate(_FOLDED)


def terms(text: str) -> list[Term]:
    """The terms of a text, in order."""
    found: list[Term] = []
    letters: list[str] = []
    kind: Kind | None = None
    for letter in fold(text):
        if letter in _DROPPED:
            continue
        of = _kind(letter, kind)
        if letters and kind is not None and (of is not kind or kind is Kind.SYMBOL):
            found.append(Term(kind, "".join(letters)))
            letters = []
        kind = of
        if of is not None:
            letters.append(letter)
    if letters and kind is not None:
        found.append(Term(kind, "".join(letters)))
    return found


def searched(*texts: str) -> str:
    """All terms of some texts in one text, which `finds` looks into."""
    return " ".join(term.text for text in texts for term in terms(text))


def tokens(text: str) -> set[bytes]:
    """What a text made by `searched` is found by: the bytes at their beginnings. Compared as bytes."""
    return {token.encode() for piece in text.split(" ") if piece for token in _tokens(piece)}


def wanted(query: str) -> list[Term]:
    """The terms of a query, without those that others say already, the most telling first."""
    unique = dict.fromkeys(terms(query)[:MAX_TERMS])
    return sorted(unique, key=lambda term: -len(term.text.encode()))


def driver(term: Term) -> bytes:
    """The bytes with which one of the `tokens` begins wherever the term is found."""
    return (term.text[:2] if term.kind is Kind.RUN else term.text[:TOKEN_LENGTH]).encode()


def after_all(prefix: bytes) -> bytes:
    """Greater than everything that begins with these bytes of UTF-8, and smaller than everything else that is greater."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def finds(query: Iterable[Term], text: str) -> bool:
    """Whether all terms are in a text made by `searched`: words at the beginning of words."""
    spaced = f" {text}"
    return all((f" {term.text}" if term.kind is Kind.WORD else term.text) in spaced for term in query)


def whole_words(query: Iterable[Term], text: str) -> int:
    """How many of the terms are whole words of the text."""
    words = set(text.split(" "))
    return sum(term.text in words for term in query)


def _tokens(piece: str) -> Iterator[str]:
    if not _is_run(piece[0]):
        yield piece[:TOKEN_LENGTH]
        return
    for start in range(len(piece)):
        yield piece[start : start + 2]


def _kind(letter: str, before: Kind | None) -> Kind | None:
    """`None`: it parts what stands on either side."""
    category = unicodedata.category(letter)
    if category[0] == "M":
        return before if before is not Kind.SYMBOL else None
    if category[0] in "LN":
        return Kind.RUN if _is_run(letter) else Kind.WORD
    # Skin tones (Sk) change an emoji, and are not looked for.
    return Kind.SYMBOL if category == "So" else None


def _is_run(letter: str) -> bool:
    number = ord(letter)
    return number >= 0x0E00 and any(first <= number <= last for first, last in _RUNS)


def _is_accent(letter: str) -> bool:
    """Marks above, below and through letters; points of Hebrew and Arabic."""
    number = unicodedata.combining(letter)
    return number >= 200 or number == 1 or 10 <= number <= 36
