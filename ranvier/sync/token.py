"""Sync tokens: how far a client has read each stream (spec: client-server API, "Syncing").

As text `s<events>_<account data>`. Positions only; a token says nothing about who may use it.
"""

import re
from dataclasses import dataclass
from typing import Final

from ranvier.proto.errors import invalid_param
from ranvier.store.events import POS_BITS

_SYNC: Final = re.compile(r"s(\d{1,18})_(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class SyncToken:
    """A position in every stream."""

    events: int
    """`stream_pos` of the last event that was seen."""
    account_data: int

    def __str__(self) -> str:
        return f"s{self.events}_{self.account_data}"

    @property
    def pos(self) -> int:
        """The greatest room position at or before this token."""
        return end_of(self.events)


def parse_sync_token(text: str) -> SyncToken:
    """Raises 400 `M_INVALID_PARAM`."""
    match = _SYNC.fullmatch(text)
    if match is None:
        raise invalid_param("since: not a sync token of this server")
    return SyncToken(int(match[1]), int(match[2]))


def end_of(stream_pos: int) -> int:
    """The greatest room position at or before a position of the event stream."""
    return (stream_pos + 1 << POS_BITS) - 1
