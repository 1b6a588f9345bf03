"""Which one-time keys devices have uploaded lately, by name, in memory. Pure.

Spec: client-server API, "One-time and fallback keys": a key that is uploaded again must not be given out again. A device
that uploads once more need not be looked up. What is remembered may say too much, never too little: where it says
something, the database is asked.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

Device = tuple[str, str]
"""`(user_id, device_id)`."""

NAMES: Final = 200_000
"""Of all devices together."""
KEPT_S: Final = 3600
"""Then the device is looked up again, which also clears what it has in the database."""


@dataclass(slots=True)
class Remembered:
    """What one device has uploaded."""

    key_ids: dict[str, set[str]] = field(default_factory=dict)
    """By algorithm."""
    since: float = 0

    @property
    def size(self) -> int:
        """How many keys."""
        return sum(map(len, self.key_ids.values()))

    def add(self, algorithm: str, key_ids: Iterable[str]) -> None:
        """These have been uploaded."""
        self.key_ids.setdefault(algorithm, set()).update(key_ids)

    def has_any(self, keys: Mapping[str, Iterable[str]]) -> bool:
        """Whether one of these, by algorithm, has been uploaded."""
        known = self.key_ids
        return any(algorithm in known and not known[algorithm].isdisjoint(keys[algorithm]) for algorithm in keys)


@dataclass(slots=True)
class Upload:
    """One upload under way."""

    known: Remembered | None
    """`None` if the database must be asked."""
    is_alone: bool
    committed: Remembered | None = None
    """To be set after the commit: what the device has uploaded now."""

    @property
    def remembered(self) -> Remembered | None:
        """What can be relied on. To be asked when nobody else can change the device's keys until the commit."""
        return self.known if self.is_alone else None


class UploadedNames:
    """Belongs to the only process that writes keys of devices."""

    def __init__(self) -> None:
        self._devices: OrderedDict[Device, Remembered] = OrderedDict()
        self._uploads: dict[Device, list[Upload]] = {}
        self._size = 0

    @contextmanager
    def uploading(self, device: Device, now: float) -> Iterator[Upload]:
        """An upload from before its first statement until after its commit.

        Of uploads that overlap none relies on memory, and nothing is remembered of them.
        """
        known = self._take(device)
        if known is not None and known.since < now - KEPT_S:
            known = None
        uploads = self._uploads.setdefault(device, [])
        upload = Upload(known, is_alone=not uploads)
        for other in uploads:
            other.is_alone = False
        uploads.append(upload)
        try:
            yield upload
        finally:
            uploads.remove(upload)
            if not uploads:
                del self._uploads[device]
            if upload.committed is not None and upload.is_alone:
                self._keep(device, upload.committed)

    def _take(self, device: Device) -> Remembered | None:
        known = self._devices.pop(device, None)
        if known is not None:
            self._size -= known.size
        return known

    def _keep(self, device: Device, committed: Remembered) -> None:
        self._devices[device] = committed
        self._size += committed.size
        while self._size > NAMES:
            self._take(next(iter(self._devices)))
