"""Asks other servers about rooms that this one is not in, and what is in them.

Spec: server-server API, "Spaces"; client-server API, "Discovering rooms within spaces": answers are kept for a while.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.paths import path
from ranvier.federation.remembering import Remembered
from ranvier.federation.residents import candidates
from ranvier.federation.told_rooms import told_space
from ranvier.ports import Clock
from ranvier.rooms.append import Append
from ranvier.rooms.remote_rooms import RemoteSpace
from ranvier.store.rooms import INVITE, JOIN

logger = logging.getLogger(__name__)

ANSWER_BYTES: Final = 8 << 20
TIMEOUT_S: Final = 10.0
WAIT_S: Final = 15.0
"""How long a user waits for what the servers say; what comes later is there when they ask again."""
SERVERS: Final = 3
KEPT_S: Final = 300.0
NONE_KEPT_S: Final = 60.0
REMEMBERED: Final = 500


class SpaceAsking:
    """Asks, and remembers for a while; a `RemoteSpaces`. `on_commit` is a listener of the appender."""

    def __init__(self, *, client: FederationClient, clock: Clock, server_name: str) -> None:
        self._client = client
        self._server_name = server_name
        self._spaces: Remembered[tuple[str, bool, tuple[str, ...]], RemoteSpace | None] = Remembered(
            clock=clock, size=REMEMBERED, keep_s=lambda space: NONE_KEPT_S if space is None else KEPT_S
        )

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Where this server comes into a room, others may tell it of more."""
        for append in batch:
            if append.is_from_elsewhere and any(
                change.is_local and change.membership in (JOIN, INVITE) for change in append.members
            ):
                self._spaces.forget()

    async def spaces(self, wanted: Mapping[str, Sequence[str]], *, suggested_only: bool) -> Mapping[str, RemoteSpace]:
        """What is told of these rooms, all of which are asked for at once."""
        asking = {
            asyncio.create_task(self._space(room_id, servers, suggested_only=suggested_only)): room_id
            for room_id, servers in wanted.items()
        }
        if not asking:
            return {}
        try:
            done, _ = await asyncio.wait(asking, timeout=WAIT_S)
        finally:
            for task in asking:
                task.cancel()
        return {asking[task]: space for task in done if (space := task.result()) is not None}

    async def _space(self, room_id: str, named: Sequence[str], *, suggested_only: bool) -> RemoteSpace | None:
        servers = tuple(candidates(named, server_name=self._server_name)[:SERVERS])
        if not servers:
            return None
        return await self._spaces.get(
            (room_id, suggested_only, servers), lambda: self._ask(room_id, servers, suggested_only=suggested_only)
        )

    async def _ask(self, room_id: str, servers: Sequence[str], *, suggested_only: bool) -> RemoteSpace | None:
        for server in servers:
            try:
                answer = await self._client.get(
                    server,
                    path("v1", "hierarchy", room_id),
                    query=[("suggested_only", "true" if suggested_only else "false")],
                    timeout_s=TIMEOUT_S,
                    limit_bytes=ANSWER_BYTES,
                    patient=True,
                )
            except (RemoteError, Unreachable) as error:
                logger.info("%s does not tell of %s: %s", server, room_id, error)
                continue
            space = told_space(answer, room_id)
            if space is not None:
                return space
        return None
