"""What users at the door of a room (invited, knocking) are told of it.

Spec: client-server API, "Stripped state". Configuration: `room_prejoin_state`.
"""

from dataclasses import dataclass
from typing import Final

from ranvier.proto.auth.state import CREATE
from ranvier.proto.events import StateKey
from ranvier.proto.handshakes.told_state import TOLD
from ranvier.rooms.room import Room
from ranvier.store.events import StoredEvent


@dataclass(frozen=True, slots=True)
class AtDoor:
    """Which entries of the state they are."""

    keys: tuple[StateKey, ...] = TOLD
    types: frozenset[str] = frozenset()
    """All entries of these types."""

    def of(self, room: Room) -> list[StoredEvent]:
        """The entries as they stand. The create event is always among them: other servers do without no longer."""
        keys = self.keys if CREATE in self.keys else (CREATE, *self.keys)
        told = {key: room.state[key] for key in keys if key in room.state}
        if self.types:
            told |= {key: stored for key, stored in room.state.items() if key[0] in self.types}
        return list(told.values())


USUAL: Final = AtDoor()


def at_door(*, without_usual: bool, types: frozenset[str], keys: tuple[StateKey, ...]) -> AtDoor:
    """The usual entries, unless they are not wanted, and these."""
    return AtDoor(keys=(*(() if without_usual else TOLD), *keys), types=types)
