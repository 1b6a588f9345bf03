"""Sync tokens: how far a client has read each stream (spec: client-server API, "Syncing").

As text `s` and the positions with `_` between them, in the order of `SyncToken`; what is missing at the end is 0, so that
tokens stay valid when streams are added. Positions only; a token says nothing about who may use it.
"""

import re
from dataclasses import dataclass, fields
from typing import Final

from ranvier.proto.errors import invalid_param
from ranvier.store.events import POS_BITS

_SYNC: Final = re.compile(r"s\d{1,18}(?:_\d{1,18})+", re.ASCII)


@dataclass(frozen=True, slots=True)
class SyncToken:
    """A position in every stream."""

    events: int
    """`stream_pos` of the last event that was seen."""
    account_data: int = 0
    receipts: int = 0
    typing: int = 0
    presence: int = 0
    to_device: int = 0
    device_lists: int = 0

    def __str__(self) -> str:
        return (
            f"s{self.events}_{self.account_data}_{self.receipts}_{self.typing}_{self.presence}"
            f"_{self.to_device}_{self.device_lists}"
        )

    @property
    def pos(self) -> int:
        """The greatest room position at or before this token."""
        return end_of(self.events)


STREAMS: Final = len(fields(SyncToken))


def parse_sync_token(text: str) -> SyncToken:
    """Raises 400 `M_INVALID_PARAM`."""
    if _SYNC.fullmatch(text) is None:
        raise invalid_param("since: not a sync token of this server")
    positions = [int(number) for number in text[1:].split("_")]
    if len(positions) > STREAMS:
        raise invalid_param("since: not a sync token of this version of the server")
    return SyncToken(*positions)


def end_of(stream_pos: int) -> int:
    """The greatest room position at or before a position of the event stream."""
    return (stream_pos + 1 << POS_BITS) - 1
