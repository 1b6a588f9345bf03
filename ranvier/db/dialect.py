"""One SQL text for two databases: what SQLite has to be told differently.

PostgreSQL takes the text as it is. SQLite's driver wants `?1` for `$1`, and has no arrays: a list travels as JSON.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

_MEMBER = re.compile(r"(=\s*ANY|<>\s*ALL)\s*\(\s*\$(\d+)\s*\)", re.IGNORECASE)
_PARAMETER = re.compile(r"\$(\d+)")


@dataclass(frozen=True, slots=True)
class SqliteStatement:
    """A statement as SQLite's driver takes it."""

    sql: str
    lists: tuple[int, ...]
    """Indexes of the arguments that are lists."""

    def bind(self, args: Sequence[object]) -> Sequence[object]:
        """The arguments, lists as JSON text."""
        if not self.lists:
            return args
        bound = list(args)
        for index in self.lists:
            bound[index] = msgspec.json.encode(bound[index]).decode()
        return bound


@lru_cache(maxsize=4096)
def to_sqlite(sql: str) -> SqliteStatement:
    """Translate `$N`, `= ANY($N)` and `<> ALL($N)`. Literals that look like parameters are not told apart."""
    lists: set[int] = set()

    def membership(match: re.Match[str]) -> str:
        number = int(match[2])
        lists.add(number - 1)
        operator = "IN" if match[1].startswith("=") else "NOT IN"
        return f"{operator} (SELECT value FROM json_each(?{number}))"

    translated = _PARAMETER.sub(r"?\1", _MEMBER.sub(membership, sql))
    return SqliteStatement(translated, tuple(sorted(lists)))
