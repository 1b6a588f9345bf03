"""How present one device of a user is. Spec: client-server API, "Presence". Pure but for what it is told."""

from collections.abc import Iterable
from typing import Literal

PresenceName = Literal["online", "unavailable", "offline"]


class DevicePresence:
    """A device that follows its account, or did a moment ago."""

    __slots__ = ("_is_set", "presence", "seen", "syncs")

    def __init__(self) -> None:
        self.presence: PresenceName = "offline"
        self.syncs = 0
        """How many of its requests wait for news."""
        self.seen = 0.0
        """When one of them ended."""
        self._is_set = False
        """Whether the user has said that the device is idle, so that following the account does not change it."""

    def begin_sync(self, presence: PresenceName) -> None:
        """It asks what is new."""
        self.syncs += 1
        if presence == "unavailable" or not (self._is_set and self.presence == "unavailable"):
            self.presence = presence
            self._is_set = False

    def set(self, presence: PresenceName, now: float) -> None:
        """Its user says how present they are."""
        self.presence = presence
        self._is_set = True
        self.seen = now

    def is_there(self, now: float, timeout_s: float) -> bool:
        """Whether it is connected, or was a moment ago."""
        return self.syncs > 0 or now - self.seen < timeout_s


def combined(devices: Iterable[DevicePresence]) -> PresenceName:
    """The presence of the most present device."""
    names = {device.presence for device in devices}
    if "online" in names:
        return "online"
    return "unavailable" if "unavailable" in names else "offline"
