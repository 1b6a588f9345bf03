"""A homeserver that other servers ask."""

from collections.abc import Awaitable, Collection, Iterable, Sequence
from typing import Any

import orjson
import pytest

from ranvier.app.directory import DirectoryServices, build_directory
from ranvier.app.federation_queries import QueryServices, build_queries, query_routes
from ranvier.federation.admission import Admission
from ranvier.http.route import Route
from ranvier.ports import SystemClock, SystemRandom
from ranvier.proto.errors import MatrixError
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of
from ranvier.rooms.accept import Arrival
from ranvier.rooms.full_room import known_members
from ranvier.rooms.room import Room
from ranvier.store import rooms as room_store
from ranvier.store.events import StoredEvent
from ranvier.store.rooms import JOIN
from tests.api.homeserver import Homeserver
from tests.rooms.remote_room import RemoteRoom

OWN = "ranvier.test"
REMOTE = "remote.test"
"""The server of `RemoteRoom`."""
OTHER = "other.test"


class Asked:
    """What a homeserver answers other servers with."""

    def __init__(self, server: Homeserver) -> None:
        self.server = server
        config, rooms, e2ee = server.server.config, server.server.rooms, server.server.e2ee
        self.directory: DirectoryServices = build_directory(
            config=config, clock=SystemClock(), random=SystemRandom(), rooms=rooms
        )
        self.queries: QueryServices = build_queries(
            config=config, rooms=rooms, e2ee=e2ee, directory=self.directory, hosts_of=self.hosts_of
        )

    def routes(self) -> list[Route]:
        """The routes to all of it."""
        return query_routes(
            config=self.server.server.config,
            clock=SystemClock(),
            users=self.server.server.users,
            directory=self.directory,
            queries=self.queries,
            admission=Admission(self.server.server.config.rc_federation, clock=SystemClock()),
        )

    async def hosts_of(self, room: Room) -> Collection[str]:
        """The servers in a room, counted each time."""
        rooms = self.server.server.rooms.rooms
        nids = await room_store.member_nids(rooms.db, known_members(room.room_nid), [JOIN])
        return {domain_of(user_id) for _, user_id in (await rooms.keys.keys(rooms.db, nids)).values()}

    async def accept(self, room: RemoteRoom, *events: Event) -> list[StoredEvent | None]:
        """Let events from elsewhere come in."""
        arrivals = [Arrival(event=event) for event in events]
        return await self.server.server.rooms.accepting.accept(room.room_id, arrivals)

    async def stored(self, event_id: str) -> StoredEvent:
        """An event that is there."""
        return (await self.server.server.rooms.cache.by_id([event_id]))[event_id]


def ids(pdus: Iterable[bytes], room: RemoteRoom) -> list[str]:
    """The ids of events of this room."""
    by_hash = {orjson.dumps(event.pdu["hashes"]): event.event_id for event in room.events.values()}
    return [by_hash[orjson.dumps(orjson.loads(pdu)["hashes"])] for pdu in pdus]


def contents(pdus: Iterable[bytes]) -> list[dict[str, Any]]:
    """The contents of events."""
    return [orjson.loads(pdu)["content"] for pdu in pdus]


def message(body: str) -> dict[str, str]:
    """A text message."""
    return {"msgtype": "m.text", "body": body}


def event_ids(events: Sequence[Event]) -> list[str]:
    """The ids of events."""
    return [event.event_id for event in events]


async def refused(call: Awaitable[object], status: int, errcode: str) -> None:
    """The call must end with this error."""
    with pytest.raises(MatrixError) as caught:
        await call
    assert (caught.value.status, caught.value.errcode) == (status, errcode)
