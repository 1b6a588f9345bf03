"""How the admin API lists things: `from`, `limit` and `dir` in the query, a `next_token` in the answer.

Every route below `/_synapse/admin` is declared with `Auth.ADMIN`: without a token 401, as nobody's administrator 403.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

GREATEST: Final = (1 << 63) - 1
Offset = Annotated[int, Meta(ge=0, le=GREATEST)]
Limit = Annotated[int, Meta(ge=0, le=GREATEST)]
Time = Annotated[int, Meta(ge=0, le=GREATEST)]
"""Milliseconds since the Unix epoch."""
Direction = Literal["f", "b"]


class Page(msgspec.Struct):
    """Which part of a list."""

    offset: Offset = msgspec.field(default=0, name="from")
    limit: Limit = 100


class Ordered(Page):
    """A list that can be read from either end."""

    dir: Direction = "f"

    @property
    def backwards(self) -> bool:
        """Whether from its end."""
        return self.dir == "b"


def next_offset(page: Page, shown: int, total: int) -> int | None:
    """Where the next part begins; `None` if this was the last one."""
    end = page.offset + shown
    return end if shown and end < total else None
