"""What is unread for one user in one room: the positions of the events that notify, by thread.

A position and whether the event is highlighted are one integer, `pos << 1 | highlight`, so that a thousand unread messages
take eight kilobytes, and reading some of them is a search. Pure.
"""

from array import array
from bisect import bisect_right
from collections.abc import Mapping

import msgspec

from ranvier.store.receipts import MAIN, UNTHREADED

Counts = tuple[int, int]
"""Notifications, and those of them that are highlighted."""


class UnreadEntries:
    """Grows by events in order, shrinks by reading."""

    __slots__ = ("_threads",)

    def __init__(self) -> None:
        self._threads: dict[str, array[int]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether everything is read."""
        return not self._threads

    def add(self, thread: str, pos: int, *, highlight: bool) -> None:
        """An event notifies; it is later than every other one."""
        entries = self._threads.get(thread)
        if entries is None:
            entries = self._threads[thread] = array("q")
        entries.append(pos << 1 | highlight)

    def read(self, thread: str, pos: int) -> None:
        """The thread (`UNTHREADED`: every one) has been read up to and including `pos`."""
        for name in list(self._threads) if thread == UNTHREADED else [thread]:
            entries = self._threads.get(name)
            if entries is not None:
                del entries[: bisect_right(entries, pos << 1 | 1)]
                if not entries:
                    del self._threads[name]

    def remove(self, pos: int) -> None:
        """The event at `pos` notifies nobody any more."""
        for name, entries in list(self._threads.items()):
            index = _index(entries, pos)
            if index is not None:
                del entries[index]
                if not entries:
                    del self._threads[name]

    def holds(self, pos: int) -> bool:
        """Whether the event at `pos` is unread, and notifies."""
        return any(_index(entries, pos) is not None for entries in self._threads.values())

    def total(self) -> Counts:
        """The counts of all threads together."""
        notify = highlight = 0
        for entries in self._threads.values():
            notify += len(entries)
            highlight += _highlights(entries)
        return notify, highlight

    def main(self) -> Counts:
        """The counts of the main timeline."""
        return _counts(self._threads.get(MAIN))

    def threads(self) -> Mapping[str, Counts]:
        """The counts of the other threads, by the ids of their roots."""
        return {name: _counts(entries) for name, entries in self._threads.items() if name != MAIN}

    def encode(self) -> bytes:
        """For the database."""
        return msgspec.json.encode({name: list(entries) for name, entries in self._threads.items()})

    @classmethod
    def decode(cls, encoded: bytes) -> "UnreadEntries":
        """The inverse of `encode`."""
        entries = cls()
        for name, positions in msgspec.json.decode(encoded, type=dict[str, list[int]]).items():
            entries._threads[name] = array("q", positions)
        return entries


def _index(entries: "array[int]", pos: int) -> int | None:
    """Where the event at `pos` stands, if it is there."""
    index = bisect_right(entries, pos << 1 | 1) - 1
    return index if index >= 0 and entries[index] >> 1 == pos else None


def _highlights(entries: "array[int]") -> int:
    return sum(entry & 1 for entry in entries)


def _counts(entries: "array[int] | None") -> Counts:
    return (0, 0) if entries is None else (len(entries), _highlights(entries))
