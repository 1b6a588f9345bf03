"""Positions in one stream of changes: given out before a commit, announced in order.

A reader who asks for everything up to `committed` must never miss a change that commits later with a smaller position. So
`committed` stops before the first position whose transaction is still open.
"""


class StreamPositions:
    """The positions of one writer of one stream."""

    def __init__(self, *, last: int) -> None:
        self._last = last
        self._open: set[int] = set()

    @property
    def committed(self) -> int:
        """Everything up to here is durable, or will never exist."""
        return min(self._open) - 1 if self._open else self._last

    @property
    def given_out(self) -> int:
        """The last position that was taken."""
        return self._last

    def take(self) -> int:
        """The next position; `close` it, whatever happens."""
        self._last += 1
        self._open.add(self._last)
        return self._last

    def close(self, position: int) -> None:
        """The transaction has been committed or has failed."""
        self._open.discard(position)
