"""Keeping the ends of a room's history few, although other servers branch it and nobody here says anything.

An event of ours that everybody's client ignores joins the ends: state is resolved once, and whoever speaks next cites one
event. Other servers know the type by the same name.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from ranvier.db.engine import DatabaseError
from ranvier.ports import Clock, Random
from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.power_levels import power_levels
from ranvier.proto.auth.rules import check_event
from ranvier.proto.auth.select import auth_types_for
from ranvier.proto.auth.state import CREATE
from ranvier.proto.errors import MatrixError
from ranvier.proto.event_build import build_event
from ranvier.proto.ids import domain_of
from ranvier.proto.signing import SigningKey
from ranvier.rooms.accept import Accepting, Arrival
from ranvier.rooms.append import Append, Appender
from ranvier.rooms.full_room import known_members
from ranvier.rooms.graph import Graph, as_events
from ranvier.rooms.room import EXTREMITY_LIMIT, Room
from ranvier.rooms.rooms import Rooms
from ranvier.state.resolver import NOTHING_UNSTORED
from ranvier.store import rooms as store
from ranvier.store.events import ACCEPTED, StoredEvent
from ranvier.store.rooms import JOIN

logger = logging.getLogger(__name__)

DUMMY_EVENT: Final = "org.matrix.dummy_event"
MOST: Final = 10
"""More ends than these are joined, unless the configuration says otherwise."""
AGAIN_S: Final = 60.0
"""So long a room is left alone that cannot be tidied: nobody here may speak in it."""
CANDIDATES: Final = 20


class Tidying:
    """Joins ends. `on_commit` is a listener of the appender, `run` must be running."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        appender: Appender,
        accepting: Accepting,
        graph: Graph,
        clock: Clock,
        random: Random,
        server_name: str,
        signing_key: SigningKey,
        most: int = MOST,
    ) -> None:
        """`most` is `dummy_events_threshold`."""
        self._rooms = rooms
        self._appender = appender
        self._accepting = accepting
        self._graph = graph
        self._clock = clock
        self._random = random
        self._server_name = server_name
        self._signing_key = signing_key
        self._most = max(1, most)
        self._wanted: dict[str, None] = {}
        self._left_alone: dict[str, float] = {}
        self._some = asyncio.Event()

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Note the rooms that have too many ends."""
        for append in batch:
            if append.is_from_elsewhere and append.head is not None and len(append.head.extremities) > self._most:
                self._wanted[append.room.room_id] = None
                self._some.set()

    async def run(self) -> None:
        """Tidy, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._wanted:
                room_id = next(iter(self._wanted))
                del self._wanted[room_id]
                if self._clock.monotonic() >= self._left_alone.get(room_id, 0.0):
                    await self._try(room_id)

    async def tidy(self, room_id: str, *, most: int | None = None) -> bool:
        """Join ends until there are no more than `most` (by default as configured); false if nobody here may speak in the room."""
        while True:
            room = await self._rooms.get(room_id)
            if len(room.extremities) <= (self._most if most is None else most):
                return True
            senders = await self._senders(room)
            if not senders or not await self._join_ends(room, senders[0]):
                return False

    async def _try(self, room_id: str) -> None:
        try:
            tidied = await self.tidy(room_id)
        except (MatrixError, DatabaseError) as error:
            logger.warning("Could not join the ends of %s: %s", room_id, error)
            tidied = False
        if not tidied:
            if len(self._left_alone) > 1000:
                self._left_alone.clear()
            self._left_alone[room_id] = self._clock.monotonic() + AGAIN_S

    async def _senders(self, room: Room) -> list[str]:
        """Local users who may speak in the room."""
        nids = await store.member_nids(self._rooms.db, known_members(room.room_nid), (JOIN,))
        names = await self._rooms.keys.keys(self._rooms.db, nids)
        levels = power_levels(room)
        needed = levels.required_level(DUMMY_EVENT, is_state=False)
        local = [key[1] for key in names.values() if domain_of(key[1]) == self._server_name]
        able = [user_id for user_id in local if levels.user_level(user_id) >= needed]
        return sorted(able, key=levels.user_level)[:CANDIDATES]

    async def _join_ends(self, room: Room, sender: str) -> bool:
        async with room.lock:
            await room.settled()
            parents = sorted(room.extremities, key=lambda stored: stored.event.depth)[:EXTREMITY_LIMIT]
            state_no = await self._state_after(room, parents)
            keys = auth_types_for(room.version, DUMMY_EVENT, sender, None, {})
            standing = await self._graph.entries(room, state_no, {CREATE, *keys}, NOTHING_UNSTORED)
        event = build_event(
            version=room.version,
            room_id=room.room_id,
            type=DUMMY_EVENT,
            sender=sender,
            state_key=None,
            content={},
            origin_server_ts=self._clock.now_ms(),
            depth=1 + max(stored.event.depth for stored in parents),
            prev_events=[stored.event for stored in parents],
            auth_events=[standing[key].event for key in keys if key in standing],
            signing_key=self._signing_key,
            server_name=self._server_name,
            random=self._random.token_bytes,
        )
        try:
            check_event(event, as_events(standing))
        except AuthError:
            return False
        (stored,) = await self._accepting.accept(room.room_id, [Arrival(event=event, is_new=True)])
        return stored is not None and stored.status == ACCEPTED

    async def _state_after(self, room: Room, parents: Sequence[StoredEvent]) -> int:
        """The number of the state that follows from these, made durable with the next commit."""
        afters = [await self._graph.after(room, parent) for parent in parents]
        state_no, rows = await self._graph.resolve(room, {number for number, _ in afters}, NOTHING_UNSTORED)
        made = [one for one in (*(rows for _, rows in afters), rows) if one is not None]
        if made:
            self._appender.submit(Append(room=room, events=[], states=made))
        return state_no
