"""The threads of a room. Spec: client-server API, `GET /rooms/{roomId}/threads`."""

from typing import Annotated, Any, Literal

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.thread_list import ThreadList
from ranvier.rooms.timeline_token import timeline_pos


class ThreadsQuery(msgspec.Struct, rename={"since": "from"}):
    """Which threads are wanted."""

    include: Literal["all", "participated"] = "all"
    limit: Annotated[int, msgspec.Meta(ge=1)] = 20
    since: str | None = None


class ThreadRoots(msgspec.Struct, omit_defaults=True):
    """Some of the threads' roots."""

    chunk: list[dict[str, Any]]
    next_batch: str | None = None


class ThreadsApi:
    """The endpoint on threads."""

    def __init__(self, *, threads: ThreadList) -> None:
        self._threads = threads

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", paths("/rooms/{room_id}/threads", versions=("v1",)), self.page, auth=Auth.USER, guest=True,
            query=ThreadsQuery, answer=ThreadRoots, spec="getThreadRoots", summary="A page of a room's threads",
        )  # fmt: skip

    async def page(self, request: Request) -> Response:
        """A page of threads."""
        query = request.query(ThreadsQuery)
        page = await self._threads.page(
            request.requester,
            request.params["room_id"],
            participated=query.include == "participated",
            since=None if query.since is None else timeline_pos(query.since, name="from"),
            limit=query.limit,
        )
        end = b"" if page.next_batch is None else b',"next_batch":"%b"' % page.next_batch.encode()
        return json_bytes(b'{"chunk":[%b]%b}' % (b",".join(page.chunk), end))
