"""Events as one user's device sees them: the shared bytes, with an `unsigned` of its own.

Spec: client-server API, "Room event format": `age`, `transaction_id`, `prev_content`, `replaces_state`,
`redacted_because`, `membership`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ranvier.ports import Clock
from ranvier.proto.client_events import client_event
from ranvier.rooms.rooms import Rooms
from ranvier.store import event_txns
from ranvier.store.events import StoredEvent

MembershipAt = Mapping[int, str] | str | None
"""The user's membership at each event (by `event_nid`), the same for all, or not known."""


class Serving:
    """Adds what depends on the asker and on now."""

    def __init__(self, *, rooms: Rooms, clock: Clock) -> None:
        self._rooms = rooms
        self._clock = clock

    async def serve(
        self,
        events: Sequence[StoredEvent],
        *,
        user_id: str,
        device_id: str | None,
        room_id: bool,
        membership: MembershipAt = None,
    ) -> list[bytes]:
        """Each event as JSON. No statement if the events they refer to are in memory; at most two otherwise."""
        related = await self._related(events)
        txn_ids = await self._txn_ids(events, user_id, device_id) if device_id else {}
        now_ms = self._clock.now_ms()
        return [
            client_event(
                stored.event,
                room_id=room_id,
                unsigned=self._unsigned(stored, now_ms, related, txn_ids, membership),
            )
            for stored in events
        ]

    async def serve_shared(self, events: Sequence[StoredEvent]) -> list[bytes]:
        """Each event without `room_id`, with nothing that depends on the asker or on now."""
        related = await self._related(events)
        return [
            client_event(stored.event, room_id=False, unsigned=self._unsigned(stored, None, related, {}, None))
            for stored in events
        ]

    async def _related(self, events: Sequence[StoredEvent]) -> Mapping[int, StoredEvent]:
        nids = [nid for stored in events for nid in (stored.replaces, stored.redacted_by) if nid is not None]
        return await self._rooms.cache.get(nids) if nids else {}

    async def _txn_ids(self, events: Sequence[StoredEvent], user_id: str, device_id: str) -> Mapping[int, str]:
        """Transaction ids of this device's own events; those that memory does not know are looked up."""
        found: dict[int, str] = {}
        unknown = []
        for stored in events:
            if stored.event.sender != user_id or stored.event.state_key is not None:
                continue
            if stored.txn is None:
                unknown.append(stored.event_nid)
            elif stored.txn.device_id == device_id:
                found[stored.event_nid] = stored.txn.txn_id
        if unknown:
            user_nid = await self._rooms.keys.find_user(self._rooms.db, user_id)
            if user_nid is not None:
                found |= await event_txns.txn_ids(self._rooms.db, unknown, user_nid, device_id)
        return found

    def _unsigned(
        self,
        stored: StoredEvent,
        now_ms: int | None,
        related: Mapping[int, StoredEvent],
        txn_ids: Mapping[int, str],
        membership: MembershipAt,
    ) -> bytes:
        event = stored.event
        unsigned: dict[str, Any] = {}
        if now_ms is not None:
            unsigned["age"] = now_ms - event.origin_server_ts
        replaced = None if stored.replaces is None else related.get(stored.replaces)
        if replaced is not None:
            unsigned["replaces_state"] = replaced.event.event_id
            unsigned["prev_content"] = replaced.event.content
        redaction = None if stored.redacted_by is None else related.get(stored.redacted_by)
        if redaction is not None:
            unsigned["redacted_because"] = orjson.Fragment(client_event(redaction.event, room_id=True))
        if stored.event_nid in txn_ids:
            unsigned["transaction_id"] = txn_ids[stored.event_nid]
        at = membership.get(stored.event_nid) if isinstance(membership, Mapping) else membership
        if at is not None:
            unsigned["membership"] = at
        return orjson.dumps(unsigned) if unsigned else b""
