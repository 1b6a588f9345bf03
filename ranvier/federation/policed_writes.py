"""Writing local events into a room whose policy server has to sign them first.

Spec: server-server API, "Asking for a Policy Server signature on an event". The event is made under the room's lock and
signed outside of it: a policy server that is slow holds up whom it has to judge, and nobody else. If the room has moved
on meanwhile the event branches off, as the events of other servers do.

One can always leave. The spec leaves it to us to send an event that is not signed ("... or the homeserver sends a local
client's event anyway"); who wants to be in a room no longer, and gets no more of it, cannot be kept by a server that is
away or says no. What it might have objected to, the reason, is left out then. Other servers may take note of it only
when somebody cites it.
"""

import logging
from dataclasses import replace

from ranvier.federation.policy_servers import PolicyServers
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.proto.events import Event
from ranvier.rooms.accept import Accepting, Arrival
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, TxnRow, Writer, durable
from ranvier.store.events import ACCEPTED, StoredEvent

logger = logging.getLogger(__name__)


class PolicedWrites:
    """Implements `rooms.write.Policing`."""

    def __init__(self, *, rooms: Rooms, writer: Writer, accepting: Accepting, servers: PolicyServers) -> None:
        self._rooms = rooms
        self._writer = writer
        self._accepting = accepting
        self._servers = servers

    async def applies_to(self, room: Room) -> bool:
        """Whether the room has a policy server."""
        return await self._servers.of(room) is not None

    async def signed(self, room: Room, event: Event) -> Event:
        """As `PolicyServers.signed`."""
        return await self._servers.signed(room, event)

    async def write(self, room_id: str, draft: Draft, *, state_no: int, txn: TxnRow | None) -> StoredEvent:
        """Have a prepared event signed, and write it; returns when it is durable.

        Raises as `signed`, and 403 if the room does not allow the event any more.
        """
        assert draft.built is not None
        event, auth = draft.built
        try:
            event = await self._servers.signed(await self._rooms.get(room_id), event)
        except MatrixError as error:
            if not _is_own_leave(draft):
                raise
            logger.info("%s leaves %s, unsigned: %s", draft.sender, room_id, error)
            return await self._leave(room_id, draft, txn)
        room = await self._rooms.get(room_id)
        async with room.lock:
            ends = {stored.event.event_id for stored in room.extremities}
            if not room.spoilt and room.state_no == state_no and ends == set(event.prev_events):
                (stored,), done = await self._writer.write_locked(room, [replace(draft, built=(event, auth))], txn=txn)
            else:
                done, stored = None, None
        if stored is not None:
            if done is not None:
                await durable(done)
            return stored
        return await self._branch(room_id, event, txn)

    async def _leave(self, room_id: str, draft: Draft, txn: TxnRow | None) -> StoredEvent:
        """Without a signature, and without a word."""
        bare = replace(draft, content={"membership": "leave"}, built=None)
        while True:
            room = await self._rooms.get(room_id)
            async with room.lock:
                if room.spoilt:
                    continue
                (stored,), done = await self._writer.write_locked(room, [bare], txn=txn)
            if done is not None:
                await durable(done)
            return stored

    async def _branch(self, room_id: str, event: Event, txn: TxnRow | None) -> StoredEvent:
        (stored,) = await self._accepting.accept(room_id, [Arrival(event=event, is_new=True, txn=txn)])
        if stored is None or stored.status != ACCEPTED:
            raise forbidden("The room does not allow this any more")
        return stored


def _is_own_leave(draft: Draft) -> bool:
    is_own = draft.type == "m.room.member" and draft.state_key == draft.sender
    return is_own and draft.content.get("membership") == "leave"
