"""Asks other servers for the event nearest to a moment, where our own history has a gap, and takes it in.

Spec: server-server API, `/timestamp_to_event`.
"""

import logging
from collections.abc import Collection
from typing import Any, Final, Protocol

from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.gaps import GapError, Gaps
from ranvier.federation.paths import path
from ranvier.federation.screening import Screens
from ranvier.proto.ids import is_event_id
from ranvier.rooms.remote_rooms import HostsOf
from ranvier.rooms.room import Room
from ranvier.rooms.timestamp_to_event import Moment

logger = logging.getLogger(__name__)

SERVERS: Final = 3
TIMEOUT_S: Final = 10.0
ANSWER_BYTES: Final = 1 << 20


class KnowsGaps(Protocol):
    """Knows in which rooms something is missing."""

    def may_have(self, room_nid: int) -> bool:
        """Whether something may be missing in this room's timeline."""
        ...


class MomentAsking:
    """Asks; a `RemoteMoments`."""

    def __init__(
        self,
        *,
        client: FederationClient,
        screens: Screens,
        gaps: Gaps,
        known: KnowsGaps,
        hosts_of: HostsOf,
        server_name: str,
    ) -> None:
        self._client = client
        self._screens = screens
        self._gaps = gaps
        self._known = known
        self._hosts_of = hosts_of
        self._server_name = server_name

    def may_help(self, room: Room) -> bool:
        """Whether something may be missing in this room."""
        return self._known.may_have(room.room_nid)

    async def fetch(self, room: Room, moment: Moment, *, nearest_ts: int | None, below: int) -> bool:
        """Take in the event nearest to the moment if that is nearer than `nearest_ts`, at a place below `below`.

        Whether one has come. At most `SERVERS` servers are asked, those first who speak for the room.
        """
        for server in await self._candidates(room):
            try:
                event_id = await self._ask(room, server, moment, nearest_ts)
                return event_id is not None and await self._take(room, server, event_id, below)
            except (RemoteError, Unreachable, GapError) as error:
                logger.info("%s does not find an event of %s: %s", server, room.room_id, error)
        return False

    async def _ask(self, room: Room, server: str, moment: Moment, nearest_ts: int | None) -> str | None:
        answer: Any = await self._client.get(
            server,
            path("v1", "timestamp_to_event", room.room_id),
            query=[("ts", str(moment.ts)), ("dir", "f" if moment.forwards else "b")],
            timeout_s=TIMEOUT_S,
            limit_bytes=ANSWER_BYTES,
        )
        event_id, found_ts = (
            (answer.get("event_id"), answer.get("origin_server_ts")) if isinstance(answer, dict) else (0, 0)
        )
        if not isinstance(event_id, str) or not is_event_id(event_id) or type(found_ts) is not int:
            return None
        if not (found_ts >= moment.ts if moment.forwards else found_ts <= moment.ts):
            return None
        is_nearer = nearest_ts is None or abs(found_ts - moment.ts) < abs(nearest_ts - moment.ts)
        return event_id if is_nearer else None

    async def _take(self, room: Room, server: str, event_id: str, below: int) -> bool:
        answer: Any = await self._client.get(
            server, path("v1", "event", event_id), timeout_s=TIMEOUT_S, limit_bytes=ANSWER_BYTES
        )
        pdus = answer.get("pdus") if isinstance(answer, dict) else None
        if not isinstance(pdus, list):
            return False
        screening = await self._screens.screen(pdus[:1], room.version, room_id=room.room_id)
        wanted = [one for one in screening.passed if one.event.event_id == event_id]
        return bool(wanted) and await self._gaps.take_history(room, wanted, server, below=below) > 0

    async def _candidates(self, room: Room) -> list[str]:
        hosts: Collection[str] = await self._hosts_of(room)
        create = room.state.get(("m.room.create", ""))
        creator = "" if create is None else create.event.sender.partition(":")[2]
        return sorted((host for host in hosts if host != self._server_name), key=lambda host: (host != creator, host))[
            :SERVERS
        ]
