"""`GET /sync`. Spec: client-server API, "Syncing"."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from ranvier.api.client.sync_answer import SyncAnswer
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.filters import Filter, parse_filter
from ranvier.sync.query import SyncQuery
from ranvier.sync.sync import Sync
from ranvier.sync.token import parse_sync_token
from ranvier.users.filters import Filters
from ranvier.users.requester import Requester

DEFAULT_TIMELINE_LIMIT: Final = 10
LONGEST_WAIT_MS: Final = 10 * 60 * 1000


class SyncParams(msgspec.Struct):
    """The query string."""

    filter: str | None = None
    since: str | None = None
    full_state: bool = False
    set_presence: Literal["offline", "online", "unavailable"] = "online"
    timeout: int = 0
    use_state_after: bool = False
    unstable_state_after: bool = msgspec.field(default=False, name="org.matrix.msc4222.use_state_after")


class SyncApi:
    """The route of `/sync`."""

    def __init__(
        self, *, sync: Sync, filters: Filters, timeline_limit: int | None, excluded_rooms: Sequence[str] = ()
    ) -> None:
        self._sync = sync
        self._filters = filters
        self._most = timeline_limit
        self._excluded_rooms = tuple(excluded_rooms)
        self._parsed: dict[str, Filter] = {}

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET",
            paths("/sync"),
            self.sync,
            auth=Auth.USER,
            guest=True,
            query=SyncParams,
            answer=SyncAnswer,
            spec="sync",
            summary="Everything that is new for this device",
        )

    async def sync(self, request: Request) -> Response:
        """The answer as bytes that are made once."""
        params = request.query(SyncParams)
        requester = request.requester
        definition = await self._definition(requester, params.filter)
        parsed = self._parse(definition)
        limit = parsed.room.timeline.limit or DEFAULT_TIMELINE_LIMIT
        query = SyncQuery(
            user_id=requester.user_id,
            device_id=requester.device_id,
            since=parse_sync_token(params.since) if params.since else None,
            timeout_ms=max(0, min(params.timeout, LONGEST_WAIT_MS)),
            full_state=params.full_state,
            filter=parsed,
            filter_key=definition,
            timeline_limit=limit if self._most is None else min(limit, self._most),
            state_after=_state_after(params),
            # Nobody is to see shadow-banned users come and go.
            set_presence="offline" if requester.shadow_banned else params.set_presence,
        )
        return json_bytes(await self._sync.sync(query))

    async def _definition(self, requester: Requester, text: str | None) -> str:
        if not text:
            return "{}"
        if text.startswith("{"):
            return text
        return (await self._filters.get(requester, requester.user_id, text)).decode()

    def _parse(self, definition: str) -> Filter:
        parsed = self._parsed.get(definition)
        if parsed is None:
            parsed = parse_filter(definition)
            if self._excluded_rooms:
                parsed = parsed.without_rooms(self._excluded_rooms)
            if len(self._parsed) >= 500:
                self._parsed.pop(next(iter(self._parsed)))
            self._parsed[definition] = parsed
        return parsed


def _state_after(params: SyncParams) -> str | None:
    if params.use_state_after:
        return "state_after"
    return "org.matrix.msc4222.state_after" if params.unstable_state_after else None
