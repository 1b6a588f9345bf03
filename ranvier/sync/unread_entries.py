"""What is unread for one user in one room: the positions of the events that notify, by thread.

A position and whether the event is highlighted are one integer, `pos << 1 | highlight`, so that a thousand unread messages
take eight kilobytes, and reading some of them is a search. Pure.
"""

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ranvier.store.receipts import MAIN, UNTHREADED

_END: Final = 1 << 62

Counts = tuple[int, int]
"""Notifications, and those of them that are highlighted."""


class UnreadEntries:
    """Grows by events in order, shrinks by reading."""

    __slots__ = ("_highlights", "_threads")

    def __init__(self) -> None:
        self._threads: dict[str, array[int]] = {}
        self._highlights: dict[str, int] = {}
        """How many of a thread are highlighted, where there are any: a sync does not look at each entry again."""

    @property
    def is_empty(self) -> bool:
        """Whether everything is read."""
        return not self._threads

    @property
    def oldest(self) -> int:
        """The position of the first event that is unread; behind every event if there is none."""
        return min((entries[0] >> 1 for entries in self._threads.values() if entries), default=_END)

    def add(self, thread: str, pos: int, *, highlight: bool) -> None:
        """An event notifies; it is later than every other one."""
        self.extend(thread, [entry_of(pos, highlight=highlight)])

    def extend(self, thread: str, new: Sequence[int]) -> None:
        """Events notify, given as `entry_of`; they are later than every other one, and in order."""
        if not new:
            return
        entries = self._threads.get(thread)
        if entries is None:
            entries = self._threads[thread] = array("q")
        entries.extend(new)
        self._count(thread, sum(entry & 1 for entry in new))

    def read(self, thread: str, pos: int) -> None:
        """The thread (`UNTHREADED`: every one) has been read up to and including `pos`."""
        for name in list(self._threads) if thread == UNTHREADED else [thread]:
            entries = self._threads.get(name)
            if entries is not None:
                self._delete(name, entries, 0, bisect_right(entries, pos << 1 | 1))

    def remove(self, pos: int) -> None:
        """The event at `pos` notifies nobody any more."""
        for name, entries in list(self._threads.items()):
            index = _index(entries, pos)
            if index is not None:
                self._delete(name, entries, index, index + 1)

    def holds(self, pos: int) -> bool:
        """Whether the event at `pos` is unread, and notifies."""
        return any(_index(entries, pos) is not None for entries in self._threads.values())

    def positions(self) -> list[int]:
        """Of all events that are unread, in order."""
        return sorted(entry >> 1 for entries in self._threads.values() for entry in entries)

    def total(self) -> Counts:
        """The counts of all threads together."""
        return sum(map(len, self._threads.values())), sum(self._highlights.values())

    def main(self) -> Counts:
        """The counts of the main timeline."""
        return self._counts(MAIN)

    def threads(self) -> Mapping[str, Counts]:
        """The counts of the other threads, by the ids of their roots."""
        return {name: self._counts(name) for name in self._threads if name != MAIN}

    def encode(self) -> bytes:
        """For the database."""
        return msgspec.json.encode({name: list(entries) for name, entries in self._threads.items()})

    @classmethod
    def decode(cls, encoded: bytes) -> "UnreadEntries":
        """The inverse of `encode`."""
        entries = cls()
        for name, positions in msgspec.json.decode(encoded, type=dict[str, list[int]]).items():
            entries.extend(name, positions)
        return entries

    def _delete(self, thread: str, entries: "array[int]", start: int, end: int) -> None:
        if thread in self._highlights:
            self._count(thread, -sum(entry & 1 for entry in entries[start:end]))
        del entries[start:end]
        if not entries:
            del self._threads[thread]

    def _count(self, thread: str, highlights: int) -> None:
        if highlights:
            left = self._highlights.get(thread, 0) + highlights
            if left:
                self._highlights[thread] = left
            else:
                del self._highlights[thread]

    def _counts(self, thread: str) -> Counts:
        entries = self._threads.get(thread)
        return (0, 0) if entries is None else (len(entries), self._highlights.get(thread, 0))


def entry_of(pos: int, *, highlight: bool) -> int:
    """The entry of an event."""
    return pos << 1 | highlight


def _index(entries: "array[int]", pos: int) -> int | None:
    """Where the event at `pos` stands, if it is there."""
    index = bisect_right(entries, pos << 1 | 1) - 1
    return index if index >= 0 and entries[index] >> 1 == pos else None
