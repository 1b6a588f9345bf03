"""Messages to devices of the last moments, request by request, in memory. Pure.

What nobody has fetched after a while is packed up, device by device, to wait in the database.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Final

from ranvier.store.to_device import Device, Packet, Waiting, event_of, packet_of
from ranvier.store.to_device_journal import Sent

PACKED_AT_ONCE: Final = 1 << 20
"""Bytes that are packed up together at most, or one request: others wait meanwhile."""
IN_A_PACKET: Final = 100
KEPT_BYTES: Final = 64 << 20
"""What is more is packed up however new it is: memory and the time that a start takes have their limits."""


_Entry = tuple[int, bytes, bytes]
"""Position, content and tail of a message."""


@dataclass(slots=True)
class _Request:
    position: int
    since: float
    devices: Collection[Device]
    size_bytes: int


_position = attrgetter("position")
_entry_position = itemgetter(0)


class InboxJournal:
    """Grows by requests, shrinks by packing up. Looking for a device's messages costs what is found."""

    def __init__(self) -> None:
        self._requests: list[_Request] = []
        """In the order of their positions."""
        self._entries: dict[Device, list[_Entry]] = {}
        """What waits for each device, in the same order."""
        self._size_bytes = 0

    def add(self, position: int, sent: Sent, now: float) -> None:
        """The messages of a request are durable."""
        contents, tail = sent
        request = _Request(position, now, list(contents), sum(map(len, contents.values())))
        insort(self._requests, request, key=_position)
        self._size_bytes += request.size_bytes
        is_last = request is self._requests[-1]
        entries_of = self._entries
        for device, content in contents.items():
            entries = entries_of.get(device)
            if entries is None:
                entries_of[device] = [(position, content, tail)]
            elif is_last:
                entries.append((position, content, tail))
            else:
                insort(entries, (position, content, tail), key=_entry_position)

    def newest(self, device: Device) -> int:
        """The position of a device's last message, 0 if there is none. Costs the same however much there is."""
        entries = self._entries.get(device)
        return entries[-1][0] if entries else 0

    def positions(self, device: Device) -> list[int]:
        """Where there is something for a device."""
        return [position for position, _, _ in self._entries.get(device, ())]

    def read(self, device: Device, *, since: int, upto: int, limit: int) -> Sequence[Waiting]:
        """The first messages with `since < position <= upto`."""
        entries = self._entries.get(device, [])
        begin = bisect_right(entries, since, key=_entry_position)
        end = min(begin + limit, bisect_right(entries, upto, key=_entry_position))
        return [Waiting(position, event_of(content, tail)) for position, content, tail in entries[begin:end]]

    def forget(self, device: Device) -> None:
        """The device is gone."""
        self._entries.pop(device, None)

    def to_pack(self, *, sent_before: float, committed: int) -> int | None:
        """Up to which position to pack up what was sent before a moment, or is too much to be kept.

        `None` if there is nothing to do now.
        """
        upto, size_bytes = None, 0
        for request in self._requests:
            is_due = request.since < sent_before or self._size_bytes - size_bytes > KEPT_BYTES
            size_bytes += request.size_bytes
            too_much = upto is not None and size_bytes > PACKED_AT_ONCE
            if not is_due or request.position > committed or too_much:
                break
            upto = request.position
        return upto

    def packets(self, upto: int, acknowledged: Callable[[Device], int]) -> Iterator[Packet]:
        """What waits up to a position and has not been acknowledged, device by device."""
        for device in self._devices(upto):
            entries = self._entries.get(device, [])
            begin = bisect_right(entries, acknowledged(device), key=_entry_position)
            end = bisect_right(entries, upto, key=_entry_position)
            for first in range(begin, end, IN_A_PACKET):
                yield packet_of(device, entries[first : min(first + IN_A_PACKET, end)])

    def drop(self, upto: int) -> None:
        """What waits up to a position is kept elsewhere now."""
        for device in self._devices(upto):
            entries = self._entries.get(device, [])
            del entries[: bisect_right(entries, upto, key=_entry_position)]
            if not entries:
                self._entries.pop(device, None)
        count = bisect_right(self._requests, upto, key=_position)
        self._size_bytes -= sum(request.size_bytes for request in self._requests[:count])
        del self._requests[:count]

    def _devices(self, upto: int) -> dict[Device, None]:
        """Whom requests up to a position were for."""
        count = bisect_right(self._requests, upto, key=_position)
        return dict.fromkeys(device for request in self._requests[:count] for device in request.devices)
