"""`GET /voip/turnServer`. Spec: client-server API, "Voice over IP"."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.users.turn import Turn


class TurnServer(msgspec.Struct):
    """Credentials; without a TURN server the answer is `{}`."""

    username: str | UnsetType = UNSET
    password: str | UnsetType = UNSET
    uris: Sequence[str] | UnsetType = UNSET
    ttl: int | UnsetType = UNSET


class VoipApi:
    """Gives out credentials."""

    def __init__(self, *, turn: Turn, guests: bool) -> None:
        self._turn = turn
        self._guests = guests

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", paths("/voip/turnServer"), self.turn_server, auth=Auth.USER, guest=self._guests, answer=TurnServer,
            spec="getTurnServer", summary="Credentials for the TURN server",
        )  # fmt: skip

    async def turn_server(self, request: Request) -> Response:
        """Credentials for the requester."""
        found = self._turn.credentials(request.requester)
        if found is None:
            return EMPTY_OBJECT
        return json_response(TurnServer(found.username, found.password, found.uris, found.ttl))
