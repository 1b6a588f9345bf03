"""One stored difference between a state and its base, decoded as far as somebody has asked."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from ranvier.db.engine import Row
from ranvier.state import codec

HELD: Final = 1024
"""Differences of at most so many entries are kept whole."""

BASE: Final = 4
"""Every digit of a depth, written in this base, that is not 0 is a layer to read through."""


class Layer:
    """What a state has that its base has not; a value of 0 says that the key is removed."""

    __slots__ = ("_delta", "_entries", "_first_keys", "base_no", "depth", "fingerprint", "state_no")

    def __init__(
        self,
        *,
        state_no: int,
        base_no: int,
        depth: int,
        fingerprint: int,
        delta: bytes,
        entries: dict[int, int] | None = None,
    ) -> None:
        self.state_no = state_no
        self.base_no = base_no
        self.depth = depth
        self.fingerprint = fingerprint
        self._delta = delta
        self._entries = entries
        self._first_keys: list[int] | None = None

    @property
    def entries(self) -> dict[int, int] | None:
        """Everything, not to be changed; `None` if it has to be read from the chunks."""
        if self._entries is None and not codec.is_directory(self._delta):
            self._entries = codec.decode(self._delta)
        return self._entries

    @property
    def first_keys(self) -> Sequence[int]:
        """Where the chunks begin; empty if there are none."""
        if self._first_keys is None:
            self._first_keys = codec.decode_directory(self._delta) if codec.is_directory(self._delta) else []
        return self._first_keys

    def chunk_of(self, key: int) -> int | None:
        """The first key of the chunk that tells about `key` if any does."""
        at = bisect_right(self.first_keys, key)
        return self.first_keys[at - 1] if at else None

    def hold(self, entries: dict[int, int]) -> None:
        """Keep what has been read from the chunks, if it is not too much."""
        if len(entries) <= HELD:
            self._entries = entries

    def let_go(self) -> None:
        """The chunks can be read from the database now: keep a large difference no longer."""
        if self._entries is not None and len(self._entries) > HELD:
            self._entries = None

    @property
    def size(self) -> int:
        """What it takes in memory, in entries, roughly and at the most."""
        if codec.is_directory(self._delta):
            return min(codec.MAX_ENTRIES * len(self.first_keys), HELD) + len(self.first_keys)
        return 4 + len(self._delta) // 2


def layer_of(row: Row) -> Layer:
    """A row of `store.state_history.stack` as a layer."""
    state_no, base_no, depth, fingerprint, delta = row
    return Layer(state_no=state_no, base_no=base_no, depth=depth, fingerprint=fingerprint, delta=delta)


def depth_after(depth: int, changes: int) -> int:
    """The depth of a state with so many changes on one of this depth.

    A change of many keys rounds the depth up, to a layer that the small changes after it do not write again.
    """
    unit = 1
    while unit * BASE <= changes:
        unit *= BASE
    return -(-(depth + 1) // unit) * unit


def base_depth(depth: int) -> int:
    """The depth of a state's base: `depth` with its lowest digit that is not 0 cleared."""
    if depth == 0:
        return 0
    unit = 1
    while depth // unit % BASE == 0:
        unit *= BASE
    return depth - depth // unit % BASE * unit
