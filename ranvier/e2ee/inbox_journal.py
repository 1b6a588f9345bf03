"""Messages to devices of the last moments, by device, in memory. Pure.

What has been acknowledged goes at once; the rest is packed up, after a while, to wait in the database.
"""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Final

from ranvier.store.to_device import Device, Packet, Waiting
from ranvier.store.to_device_journal import Row

PACKED_AT_ONCE: Final = 4 << 20
"""Bytes that are packed up together at most, or one request."""
IN_A_PACKET: Final = 100

_position = attrgetter("stream_pos")


class InboxJournal:
    """Grows by requests, shrinks by acknowledgements and by packing up."""

    def __init__(self) -> None:
        self._waiting: dict[Device, list[Waiting]] = {}
        self._requests: deque[tuple[int, float, int]] = deque()
        """`(position, when it was sent, bytes)`, roughly in order."""

    def add(self, position: int, rows: Iterable[Row], now: float) -> None:
        """The messages of a request are durable."""
        size_bytes = 0
        for user_id, device_id, event in rows:
            size_bytes += len(event)
            message = Waiting(position, event)
            waiting = self._waiting.get((user_id, device_id))
            if waiting is None:
                self._waiting[user_id, device_id] = [message]
            elif waiting[-1].stream_pos < position:
                waiting.append(message)
            else:
                insort(waiting, message, key=_position)
        self._requests.append((position, now, size_bytes))

    def newest(self, device: Device) -> int:
        """The position of a device's last message, 0 if there is none."""
        waiting = self._waiting.get(device)
        return waiting[-1].stream_pos if waiting else 0

    def positions(self, device: Device) -> list[int]:
        """Where there is something for a device."""
        return [message.stream_pos for message in self._waiting.get(device, ())]

    def read(self, device: Device, *, since: int, upto: int, limit: int) -> Sequence[Waiting]:
        """The first messages with `since < position <= upto`."""
        waiting = self._waiting.get(device, [])
        begin = bisect_right(waiting, since, key=_position)
        return waiting[begin : min(bisect_right(waiting, upto, key=_position), begin + limit)]

    def acknowledge(self, device: Device, upto: int) -> None:
        """The device has got everything up to here."""
        waiting = self._waiting.get(device)
        if waiting is not None:
            del waiting[: bisect_right(waiting, upto, key=_position)]
            if not waiting:
                del self._waiting[device]

    def forget(self, device: Device) -> None:
        """The device is gone."""
        self._waiting.pop(device, None)

    def to_pack(self, *, sent_before: float, committed: int) -> int | None:
        """Up to which position to pack up what was sent before a moment; `None` if there is nothing to do now."""
        upto, size_bytes = None, 0
        for position, sent, request_bytes in self._requests:
            size_bytes += request_bytes
            if sent >= sent_before or position > committed or (upto is not None and size_bytes > PACKED_AT_ONCE):
                break
            upto = max(upto or 0, position)
        return upto

    def packets(self, upto: int) -> Iterator[Packet]:
        """What waits up to a position, device by device."""
        for (user_id, device_id), waiting in self._waiting.items():
            end = bisect_right(waiting, upto, key=_position)
            for begin in range(0, end, IN_A_PACKET):
                yield Packet(user_id, device_id, waiting[begin : min(begin + IN_A_PACKET, end)])

    def drop(self, upto: int) -> None:
        """What waits up to a position is kept elsewhere now."""
        for device in list(self._waiting):
            self.acknowledge(device, upto)
        self._requests = deque(request for request in self._requests if request[0] > upto)
