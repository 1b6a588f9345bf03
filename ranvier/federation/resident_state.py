"""The state before an event and the auth chain of all of it, as other servers are told: spliced from stored bytes.

Spec: server-server API, `/send_join`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from ranvier.federation.auth_chain import AuthChains
from ranvier.proto.redaction import redact_event
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import raw_events
from ranvier.store.events import StoredEvent

PORTION: Final = 5000
"""Events asked of the database in one statement."""


@dataclass(frozen=True, slots=True)
class ToldEvents:
    """JSON arrays."""

    state: bytes
    auth_chain: bytes


class StateBefore:
    """Reads states."""

    def __init__(self, *, rooms: Rooms, auth_chains: AuthChains) -> None:
        self._rooms = rooms
        self._auth_chains = auth_chains

    async def of(self, room: Room, stored: StoredEvent, *, without_repetition: bool) -> ToldEvents:
        """The whole state before an event, and the auth chains of that and of the event.

        `without_repetition`: events of the state are left out of the auth chain.
        """
        state = list((await room.history.load_state(stored.state_before or 0)).values())
        chain = await self._auth_chains.of([*state, stored.event_nid])
        if without_repetition:
            chain -= set(state)
        json = await self._json({*state, *chain})
        return ToldEvents(_array(json[nid] for nid in state), _array(json[nid] for nid in sorted(chain)))

    async def _json(self, nids: Collection[int]) -> dict[int, bytes]:
        json: dict[int, bytes] = {}
        for portion in _portions(nids):
            raw = await raw_events.json_by_nid(self._rooms.db, portion)
            json |= {nid: text for nid, (text, redacted) in raw.items() if not redacted}
            pruned = await self._rooms.cache.get([nid for nid, (_, redacted) in raw.items() if redacted])
            json |= {nid: redact_event(stored.event).json for nid, stored in pruned.items()}
        return json


def _portions(nids: Iterable[int]) -> Iterable[list[int]]:
    listed = list(nids)
    return (listed[start : start + PORTION] for start in range(0, len(listed), PORTION))


def _array(events: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(events) + b"]"
