"""What relates to an event.

Spec: client-server API, "Relationships API": `GET /rooms/{roomId}/relations/{eventId}[/{relType}[/{eventType}]]`.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.relations import Relations, Wanted
from ranvier.rooms.timeline_token import timeline_pos
from ranvier.store.relations import RECURSION_DEPTH

_PATH: Final = "/rooms/{room_id}/relations/{event_id}"


class RelationsQuery(msgspec.Struct, rename={"since": "from", "until": "to"}):
    """Which of the children are wanted."""

    dir: Literal["b", "f"] = "b"
    since: str | None = None
    until: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=0)] = 20
    recurse: bool | None = None


class RelationsPage(msgspec.Struct, omit_defaults=True):
    """Some of the children."""

    chunk: list[dict[str, Any]]
    next_batch: str | None = None
    prev_batch: str | None = None
    recursion_depth: int | None = None


class RelationsApi:
    """The endpoints on relations."""

    def __init__(self, *, relations: Relations) -> None:
        self._relations = relations

    def routes(self) -> list[Route]:
        """The module's routes."""
        ends = {
            "": "getRelatingEvents",
            "/{rel_type}": "getRelatingEventsWithRelType",
            "/{rel_type}/{event_type}": "getRelatingEventsWithRelTypeAndEventType",
        }
        return [
            route
            for end, spec in ends.items()
            for route in routes(
                "GET", paths(_PATH + end, versions=("v1",)), self.children, auth=Auth.USER, guest=True,
                query=RelationsQuery, answer=RelationsPage, spec=spec, summary="What relates to an event",
            )
        ]  # fmt: skip

    async def children(self, request: Request) -> Response:
        """A page of an event's children."""
        query = request.query(RelationsQuery)
        params = request.params
        wanted = Wanted(
            rel_type=params.get("rel_type"),
            type=params.get("event_type"),
            recurse=query.recurse is True,
            backwards=query.dir == "b",
            since=None if query.since is None else timeline_pos(query.since, name="from"),
            until=None if query.until is None else timeline_pos(query.until, name="to"),
            limit=query.limit,
        )
        page = await self._relations.children(request.requester, params["room_id"], params["event_id"], wanted)
        parts = [b'{"chunk":[', b",".join(page.chunk), b"]"]
        if page.next_batch is not None:
            parts += (b',"next_batch":"', page.next_batch.encode(), b'"')
        if query.since is not None:
            parts += (b',"prev_batch":', msgspec.json.encode(query.since))
        if query.recurse is not None:
            parts.append(b',"recursion_depth":%d' % (RECURSION_DEPTH if query.recurse else 1))
        parts.append(b"}")
        return json_bytes(b"".join(parts))
