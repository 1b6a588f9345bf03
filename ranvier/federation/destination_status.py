"""What administrators see of other servers: whether they can be reached, and how far they have got."""

from dataclasses import dataclass, replace
from typing import Final

from ranvier.db.engine import Database
from ranvier.federation.health import ServerHealth
from ranvier.federation.sender import Sender
from ranvier.ports import Clock
from ranvier.store import destinations as store
from ranvier.store import rooms as room_store
from ranvier.store.destinations import Destination, Order
from ranvier.store.events import FIRST_POS
from ranvier.users.text import is_storable

_ROOMS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class SharedRoom:
    """A room that a server is in, too."""

    room_id: str
    stream_pos: int
    """Of the last event in it."""


class DestinationStatus:
    """Reads what is on disk, and what is newer in memory."""

    def __init__(self, *, db: Database, clock: Clock, health: ServerHealth, sender: Sender) -> None:
        self._db = db
        self._clock = clock
        self._health = health
        self._sender = sender

    async def page(
        self,
        *,
        order: Order = "destination",
        offset: int = 0,
        limit: int = 100,
        backwards: bool = False,
        name: str | None = None,
    ) -> tuple[list[Destination], int]:
        """Some servers in this order, and how many there are in all. What changed last may not be in its place yet.

        `name` is a part of the names they are to have.
        """
        if name is not None and not is_storable(name):
            return [], 0
        rows, total = await store.page(
            self._db, order=order, offset=offset, limit=limit, backwards=backwards, name=name or ""
        )
        return [self._newest(row) for row in rows], total

    async def one(self, destination: str) -> Destination | None:
        """One server, `None` if we have nothing to do with it. One statement."""
        row = None if "\0" in destination else await store.one(self._db, destination)
        known = (
            row is not None
            or self._health.record(destination) is not None
            or self._sender.last_successful_pos(destination) is not None
        )
        return self._newest(row or Destination(destination, 0, 0, None, None, None)) if known else None

    async def rooms(
        self, destination: str, *, offset: int = 0, limit: int = 100, backwards: bool = False
    ) -> tuple[list[SharedRoom], int]:
        """Some of the rooms that the server has joined members in, by id, and how many there are. Looks at all rooms."""
        users = await store.users_of(self._db, destination)
        everywhere = await store.rooms_after(self._db, FIRST_POS) if users else []
        shared: list[int] = []
        for start in range(0, len(everywhere), _ROOMS_AT_ONCE):
            shared += await store.rooms_joined_by(self._db, everywhere[start : start + _ROOMS_AT_ONCE], users)
            await self._clock.sleep(0)  # Reading may not have let others go on.
        ids = await room_store.room_ids(self._db, shared)
        page = sorted(shared, key=lambda room_nid: ids[room_nid], reverse=backwards)[offset : offset + limit]
        positions = await store.last_positions(self._db, page)
        return [SharedRoom(ids[room_nid], positions[room_nid]) for room_nid in page], len(shared)

    def reset(self, destination: str) -> bool:
        """Try the server again at once; whether it had been left alone."""
        return self._health.reset(destination)

    def _newest(self, row: Destination) -> Destination:
        record = self._health.record(row.destination)
        sent = self._sender.last_successful_pos(row.destination)
        if record is None:
            row = replace(row, retry_last_ts=0, retry_interval_ms=0, failure_ts=None)
        else:
            row = replace(
                row,
                retry_last_ts=record.retry_last_ts,
                retry_interval_ms=record.interval_ms,
                failure_ts=record.failure_ts,
            )
        return row if sent is None else replace(row, last_successful_pos=sent)
