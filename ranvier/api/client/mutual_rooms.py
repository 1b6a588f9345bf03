"""`GET /mutual_rooms`. Spec: client-server API, "Mutual Rooms" (MSC2666)."""

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.mutual import MutualRooms

UNSTABLE = ("/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms",)


class MutualQuery(msgspec.Struct, rename={"from_": "from"}):
    """With whom."""

    user_id: str
    from_: str | None = None


class Shared(msgspec.Struct, omit_defaults=True):
    """Rooms in which both are."""

    joined: list[str]
    count: int
    next_batch: str | None = None


class MutualRoomsApi:
    """Tells which rooms are shared."""

    def __init__(self, *, mutual_rooms: MutualRooms) -> None:
        self._mutual_rooms = mutual_rooms

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", paths("/mutual_rooms", versions=("v1",)) + UNSTABLE, self.page, auth=Auth.USER, query=MutualQuery,
            answer=Shared, spec="getMutualRooms", summary="The rooms shared with another user",
        )  # fmt: skip

    async def page(self, request: Request) -> Response:
        """Rooms shared with another user."""
        query = request.query(MutualQuery)
        shared = await self._mutual_rooms.page(request.requester, query.user_id, query.from_)
        return json_response(Shared(shared.room_ids, shared.count, shared.next_batch))
