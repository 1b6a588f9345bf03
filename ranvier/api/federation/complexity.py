"""How complex a room is, for servers that consider joining it. Not specified; deployed servers ask for it."""

import msgspec

from ranvier.federation.complexity import ComplexityServing
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes


class Complexity(msgspec.Struct):
    """By the version of the measure: entries of the current state, in units of 500."""

    v1: float


class ComplexityApi:
    """Tells how complex rooms are."""

    def __init__(self, *, serving: ComplexityServing) -> None:
        self._serving = serving

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", "/_matrix/federation/unstable/rooms/{room_id}/complexity", self.complexity, auth=Auth.FEDERATION,
            resource="federation", answer=Complexity, summary="How complex a room is",
        )  # fmt: skip

    async def complexity(self, request: Request) -> Response:
        """How complex a room is."""
        return json_response(Complexity(await self._serving.of(request.origin, request.params["room_id"])))
