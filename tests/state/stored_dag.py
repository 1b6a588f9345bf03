"""A history from `tests.proto.dag` in a database."""

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from ranvier.config.sections import DatabaseConfig
from ranvier.db.engine import Database
from ranvier.db.open import open_database
from ranvier.proto.events import Event
from ranvier.state.history import RoomHistory, StateRows, known_state
from ranvier.state.resolver import Resolver
from ranvier.store import events as event_rows
from ranvier.store import rooms, state_history, state_keys
from ranvier.store.event_cache import EventCache
from ranvier.store.events import ACCEPTED, POS_BITS, REJECTED, StoredEvent, encode_auth
from ranvier.store.state_keys import StateKeys
from tests.proto.dag import Dag, State

ROOM_NID = 7


class StoredDag:
    """The events and states of a history, stored."""

    def __init__(self, dag: Dag, db: Database, keys: StateKeys, history: RoomHistory) -> None:
        self.dag = dag
        self.db = db
        self.keys = keys
        self.history = history
        self.cache = EventCache(db=db, size=1000)
        self.cache.know_room(ROOM_NID, dag.version)
        self.nids = {event_id: nid for nid, event_id in enumerate(dag.events, 1)}
        self.resolver = Resolver(db=db, keys=keys, cache=self.cache, version=dag.version, history=history)

    async def add_state(self, state: State) -> int:
        """Store a state; its number."""
        entries = await self.entries(state)
        derived = await self.history.root(entries)
        await self.keep(derived.rows)
        return derived.state_no

    async def derive(self, base_no: int, base: State, state: State) -> int:
        """Store a state as a change of another; its number."""
        before, after = await self.entries(base), await self.entries(state)
        changes = {key: after.get(key, 0) for key in {*before, *after} if before.get(key) != after.get(key)}
        if not changes:
            return base_no
        derived = await self.history.derive(base_no, changes)
        await self.keep(derived.rows)
        return derived.state_no

    async def keep(self, rows: StateRows) -> None:
        """Store the rows of a derived state."""
        async with self.db.write() as tx:
            await state_history.insert(tx, [rows])
        self.history.committed(rows.last_state_no)

    async def entries(self, state: State) -> dict[int, int]:
        """A state as numbers."""
        return {await self.keys.intern(self.db, key): self.nids[event_id] for key, event_id in state.items()}

    async def state(self, state_no: int) -> State:
        """A stored state as ids."""
        ids = list(self.dag.events)
        entries = await self.history.load_state(known_state(state_no))
        keys = await self.keys.keys(self.db, entries.keys())
        return {keys[key_id]: ids[nid - 1] for key_id, nid in entries.items()}


@asynccontextmanager
async def store_dag(dag: Dag, rejected: Collection[str] = ()) -> AsyncIterator[StoredDag]:
    """A new database in memory with all events of a history."""
    db = await open_database(DatabaseConfig("sqlite", {"database": ":memory:"}, 1, 1, 0, False), now_ms=0)
    keys = await StateKeys.load(db)
    stored = StoredDag(dag, db, keys, await RoomHistory.load(db, ROOM_NID))
    rows = [await _row(stored, event, rejected) for event in dag.events.values()]
    async with db.write() as tx:
        await rooms.insert(tx, [(ROOM_NID, dag.room_id, dag.version.identifier, "@alice:one.example", 0)])
        await state_keys.insert(tx, keys.pending_rows(row.key_id for row, _ in rows if row.key_id is not None))
        await event_rows.insert(tx, rows)
    yield stored
    await db.close()


async def _row(stored: StoredDag, event: Event, rejected: Collection[str]) -> tuple[StoredEvent, bytes]:
    nid = stored.nids[event.event_id]
    event.json = json.dumps(_pdu(event)).encode()
    row = StoredEvent(
        event=event,
        event_nid=nid,
        room_nid=ROOM_NID,
        pos=nid << POS_BITS,
        state_before=None,
        key_id=None if event.key is None else await stored.keys.intern(stored.db, event.key),
        replaces=None,
        status=REJECTED if event.event_id in rejected else ACCEPTED,
        auth_depth=1,
    )
    return row, encode_auth(nid, (stored.nids[auth] for auth in event.auth_events))


def _pdu(event: Event) -> dict[str, Any]:
    pairs = event.version.edge_hashes
    pdu = {
        "type": event.type,
        "sender": event.sender,
        "content": event.content,
        "origin_server_ts": event.origin_server_ts,
        "depth": event.depth,
        "prev_events": [[edge, {"sha256": "x"}] if pairs else edge for edge in event.prev_events],
        "auth_events": [[edge, {"sha256": "x"}] if pairs else edge for edge in event.auth_events],
    }
    if event.state_key is not None:
        pdu["state_key"] = event.state_key
    if not (event.version.domainless_room_ids and event.type == "m.room.create"):
        pdu["room_id"] = event.room_id
    return pdu
