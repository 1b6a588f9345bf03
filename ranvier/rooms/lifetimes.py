"""How long messages of a room live: what the room says, within what the operator allows.

Manual: "Message retention policies"; MSC1763, `m.room.retention`. What has lived longer is shown to nobody, also before a
job deletes it. State has no end.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ranvier.config.retention_sections import RetentionConfig
from ranvier.ports import Clock
from ranvier.proto.events import Event
from ranvier.rooms.room import Room
from ranvier.store.events import StoredEvent

RETENTION: Final = ("m.room.retention", "")


class Lifetimes:
    """Knows what has outlived its time."""

    def __init__(self, *, config: RetentionConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock

    def of_policy(self, content: Mapping[str, object]) -> int | None:
        """Milliseconds that messages live in a room whose policy this is, empty for none; `None`: for ever."""
        wanted = content.get("max_lifetime")
        lifetime = wanted if type(wanted) is int and wanted >= 0 else self._config.default_max_ms
        if lifetime is None:
            return None
        if self._config.allowed_min_ms is not None:
            lifetime = max(lifetime, self._config.allowed_min_ms)
        if self._config.allowed_max_ms is not None:
            lifetime = min(lifetime, self._config.allowed_max_ms)
        return lifetime

    def of(self, room: Room) -> int | None:
        """The same of a room."""
        return self.of_policy(room.content(*RETENTION))

    def end_ts(self, room: Room) -> int | None:
        """Messages sent before this moment have outlived their time; `None`: none ever does."""
        lifetime = self.of(room)
        return None if lifetime is None else self._clock.now_ms() - lifetime

    def is_over(self, room: Room, event: Event) -> bool:
        """Whether the event is a message that has outlived its time."""
        if event.state_key is not None:
            return False
        end_ts = self.end_ts(room)
        return end_ts is not None and event.origin_server_ts < end_ts

    def alive(self, room: Room, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Those of a room's events that have not."""
        end_ts = self.end_ts(room)
        if end_ts is None:
            return list(events)
        return [
            stored for stored in events if stored.event.state_key is not None or stored.event.origin_server_ts >= end_ts
        ]


def lifetimes_of(config: RetentionConfig | None, clock: Clock) -> Lifetimes | None:
    """`None` where nothing is said about it: then nobody needs to ask."""
    return None if config is None else Lifetimes(config=config, clock=clock)
