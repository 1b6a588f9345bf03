"""The state before an event and the auth chain of all of it, as other servers are told: spliced from stored bytes.

Spec: server-server API, `/send_join`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.federation.auth_chain import AuthChains
from ranvier.proto.redaction import redact_event
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.state.history import known_state
from ranvier.store import raw_events
from ranvier.store.events import StoredEvent

PORTION: Final = 5000
"""Events asked of the database in one statement."""


@dataclass(frozen=True, slots=True)
class ToldEvents:
    """What is told of a room, as JSON: events, or runs of events with commas between them, none of them empty."""

    state: Sequence[bytes]
    auth_chain: Sequence[bytes]
    servers: bytes | None
    """The servers in the room, where members have been left out of `state`."""


class StateBefore:
    """Reads states."""

    def __init__(self, *, rooms: Rooms, auth_chains: AuthChains) -> None:
        self._rooms = rooms
        self._auth_chains = auth_chains

    async def of(self, room: Room, stored: StoredEvent) -> ToldEvents:
        """The whole state before an event, and the auth chains of that and of the event."""
        state = list((await room.history.load_state(known_state(stored.state_before or 0))).values())
        chain = await self._auth_chains.of([*state, stored.event_nid])
        json = await told_json(self._rooms, {*state, *chain})
        return ToldEvents([json[nid] for nid in state], [json[nid] for nid in sorted(chain)], servers=None)


async def told_json(rooms: Rooms, nids: Collection[int]) -> dict[int, bytes]:
    """Events as other servers are told of them. A statement for each portion, and one for those that are redacted."""
    json: dict[int, bytes] = {}
    for portion in _portions(nids):
        raw = await raw_events.json_by_nid(rooms.db, portion)
        json |= {nid: text for nid, (text, redacted) in raw.items() if not redacted}
        pruned = await rooms.cache.get([nid for nid, (_, redacted) in raw.items() if redacted])
        json |= {nid: redact_event(stored.event).json for nid, stored in pruned.items()}
    return json


def _portions(nids: Iterable[int]) -> Iterable[list[int]]:
    listed = list(nids)
    return (listed[start : start + PORTION] for start in range(0, len(listed), PORTION))
