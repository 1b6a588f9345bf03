"""The newest receipts of active rooms in memory, so that who follows a room needs no database.

Filled by what is committed; bounded by rooms and by receipts a room.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import takewhile
from typing import Final

from ranvier.store.receipts import Receipt

ROOMS: Final = 4096
RECEIPTS: Final = 128


class RecentReceipts:
    """Per room: every receipt after some position."""

    def __init__(self, *, newest: int) -> None:
        self._complete_after = newest
        """For rooms of which nothing is in memory: they had no receipt after this."""
        self._rooms: OrderedDict[int, tuple[list[int], deque[Receipt]]] = OrderedDict()
        """By room: what memory is complete after (one number), and the receipts."""

    def add(self, receipt: Receipt) -> None:
        """This has been committed; it is the newest of all."""
        room = self._rooms.get(receipt.room_nid)
        if room is None:
            room = self._rooms[receipt.room_nid] = ([self._complete_after], deque())
            if len(self._rooms) > ROOMS:
                _, (_, dropped) = self._rooms.popitem(last=False)
                self._complete_after = max(self._complete_after, dropped[-1].stream_pos)
        complete_after, receipts = room
        receipts.append(receipt)
        if len(receipts) > RECEIPTS:
            complete_after[0] = receipts.popleft().stream_pos
        self._rooms.move_to_end(receipt.room_nid)

    def after(self, room_nid: int, pos: int) -> list[Receipt] | None:
        """Every receipt of a room after `pos`, oldest first; `None` if memory does not reach back that far."""
        room = self._rooms.get(room_nid)
        if room is None:
            return [] if self._complete_after <= pos else None
        complete_after, receipts = room
        if complete_after[0] > pos:
            return None
        newer: Iterator[Receipt] = takewhile(lambda receipt: receipt.stream_pos > pos, reversed(receipts))
        return list(newer)[::-1]

    def newest(self, room_nid: int) -> int:
        """The position of the last receipt of a room, as far as memory knows."""
        room = self._rooms.get(room_nid)
        return self._complete_after if room is None else room[1][-1].stream_pos
