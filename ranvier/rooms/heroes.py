"""Those after whom a room without a name is called.

Spec: client-server API, `m.heroes` in `/sync`; server-server API, `omit_members` of `/send_join`.
"""

from collections.abc import Mapping
from typing import Final

from ranvier.proto.events import Event, StateKey
from ranvier.store.events import StoredEvent

HEROES: Final = 5
"""How many a room has at most."""


def names_room(state: Mapping[StateKey, StoredEvent]) -> bool:
    """Whether the room has a name of its own, so that no heroes are needed."""
    return _has(state, "m.room.name", "name") or _has(state, "m.room.canonical_alias", "alias")


def _has(state: Mapping[StateKey, StoredEvent], type_: str, key: str) -> bool:
    stored = state.get((type_, ""))
    event: Event | None = None if stored is None else stored.event
    return event is not None and bool(event.content.get(key))
