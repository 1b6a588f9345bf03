"""Messages to devices of the last moments, request by request, in memory. Pure.

What nobody has fetched after a while is packed up, device by device, to wait in the database.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from ranvier.store.to_device import Device, Packet, Waiting
from ranvier.store.to_device_journal import Sent

PACKED_AT_ONCE: Final = 1 << 20
"""Bytes that are packed up together at most, or one request: others wait meanwhile."""
IN_A_PACKET: Final = 100
KEPT_BYTES: Final = 64 << 20
"""What is more is packed up however new it is: memory and the time that a start takes have their limits."""


@dataclass(slots=True)
class _Request:
    position: int
    since: float
    sent: Sent
    size_bytes: int


_position = attrgetter("position")


class InboxJournal:
    """Grows by requests, shrinks by packing up. Looking for a device's messages costs as much as is newer than `since`."""

    def __init__(self) -> None:
        self._requests: list[_Request] = []
        """In the order of their positions."""
        self._newest: dict[Device, int] = {}
        self._size_bytes = 0

    def add(self, position: int, sent: Sent, now: float) -> None:
        """The messages of a request are durable."""
        devices = sent.contents
        request = _Request(position, now, sent, sum(map(len, devices.values())))
        insort(self._requests, request, key=_position)
        self._size_bytes += request.size_bytes
        if request is self._requests[-1]:
            self._newest.update(dict.fromkeys(devices, position))
        else:
            for device in devices:
                self._newest[device] = max(position, self.newest(device))

    def newest(self, device: Device) -> int:
        """The position of a device's last message, 0 if there is none. Costs the same however much there is."""
        return self._newest.get(device, 0)

    def positions(self, device: Device) -> list[int]:
        """Where there is something for a device."""
        return [request.position for request in self._requests if device in request.sent.contents]

    def read(self, device: Device, *, since: int, upto: int, limit: int) -> Sequence[Waiting]:
        """The first messages with `since < position <= upto`."""
        found: list[Waiting] = []
        for index in range(bisect_right(self._requests, since, key=_position), len(self._requests)):
            request = self._requests[index]
            if request.position > upto or len(found) == limit:
                break
            event = request.sent.event(device)
            if event is not None:
                found.append(Waiting(request.position, event))
        return found

    def forget(self, device: Device) -> None:
        """The device is gone."""
        if self._newest.pop(device, None) is not None:
            for request in self._requests:
                request.sent.contents.pop(device, None)

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
        waiting: dict[Device, list[Waiting]] = {}
        for request in self._requests[: bisect_right(self._requests, upto, key=_position)]:
            for device, event in request.sent.events():
                if request.position > acknowledged(device):
                    waiting.setdefault(device, []).append(Waiting(request.position, event))
        for (user_id, device_id), messages in waiting.items():
            for begin in range(0, len(messages), IN_A_PACKET):
                yield Packet(user_id, device_id, messages[begin : begin + IN_A_PACKET])

    def drop(self, upto: int) -> None:
        """What waits up to a position is kept elsewhere now."""
        count = bisect_right(self._requests, upto, key=_position)
        for request in self._requests[:count]:
            self._size_bytes -= request.size_bytes
            for device in request.sent.contents:
                if self._newest.get(device, upto + 1) <= upto:
                    del self._newest[device]
        del self._requests[:count]
