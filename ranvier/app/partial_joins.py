"""Builds what makes partially joined rooms full."""

import logging
from collections.abc import Awaitable, Callable, Collection

from ranvier.app.rooms import RoomServices
from ranvier.db.engine import Database
from ranvier.federation.client import FederationClient
from ranvier.federation.fetch_full_state import FullStateFetch
from ranvier.federation.fetch_keys import KeyFetch
from ranvier.federation.further_keys import FurtherKeys
from ranvier.federation.gaps import Gaps
from ranvier.federation.keys import ServerKeys
from ranvier.federation.memberships import RoomMemberships
from ranvier.federation.resync import Resyncs
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError
from ranvier.proto.ids import domain_of
from ranvier.rooms.become_full import BecomingFull
from ranvier.rooms.full_room import known_members
from ranvier.rooms.full_state import FullStates
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.room import Room
from ranvier.store import joined_rooms
from ranvier.users.requester import Requester

logger = logging.getLogger(__name__)

REASON = "No server would tell who else is in this room"


def build_resyncs(
    *,
    db: Database,
    clock: Clock,
    rooms: RoomServices,
    client: FederationClient,
    gaps: Gaps,
    keys: ServerKeys,
    key_fetch: KeyFetch,
    hosts_of: Callable[[Room], Awaitable[Collection[str]]],
    memberships: RoomMemberships,
    give_up_ms: int,
    server_name: str,
) -> Resyncs:
    """The jobs, and all they need."""

    async def leave(partial: PartialRoom) -> None:
        for user_id in await joined_rooms.users_in(db, known_members(partial.room_nid)):
            if domain_of(user_id) == server_name:
                try:
                    await memberships.leave(Requester(user_id, None, None), partial.room_id, reason=REASON)
                except MatrixError as error:
                    logger.warning("%s could not leave %s: %s", user_id, partial.room_id, error)

    return Resyncs(
        db=db,
        clock=clock,
        rooms=rooms.rooms,
        client=client,
        gaps=gaps,
        keys=keys,
        fetch=FullStateFetch(fetch=gaps.fetch, further_keys=FurtherKeys(fetch=key_fetch)),
        full_states=FullStates(rooms=rooms.rooms, appender=rooms.appender, graph=rooms.graph),
        becoming_full=BecomingFull(
            rooms=rooms.rooms,
            appender=rooms.appender,
            graph=rooms.graph,
            now_ms=clock.now_ms,
            server_name=server_name,
        ),
        hosts_of=hosts_of,
        leave=leave,
        give_up_ms=give_up_ms,
        server_name=server_name,
    )
