"""States and auth chains for other servers.

Spec: server-server API, "Retrieving events", "Retrieving event authorisation information".
"""

from typing import Any

import msgspec

from ranvier.federation.serve_state import StateServing
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes
from ranvier.http.route import Auth, Route, routes


class At(msgspec.Struct):
    """The event before which the state is wanted."""

    event_id: str


class State(msgspec.Struct):
    """A state with its auth chain."""

    pdus: list[dict[str, Any]]
    auth_chain: list[dict[str, Any]]


class StateIds(msgspec.Struct):
    """The same as ids."""

    pdu_ids: list[str]
    auth_chain_ids: list[str]


class AuthChain(msgspec.Struct):
    """What authorises an event."""

    auth_chain: list[dict[str, Any]]


class StateApi:
    """Hands out states."""

    def __init__(self, *, state: StateServing) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """The module's routes."""
        api = "/_matrix/federation/v1"
        return [
            *routes(
                "GET", f"{api}/state/{{room_id}}", self.state, auth=Auth.FEDERATION, resource="federation",
                query=At, answer=State, spec="getRoomState", summary="The state before an event",
            ),
            *routes(
                "GET", f"{api}/state_ids/{{room_id}}", self.state_ids, auth=Auth.FEDERATION, resource="federation",
                query=At, answer=StateIds, spec="getRoomStateIds", summary="The ids of the state before an event",
            ),
            *routes(
                "GET", f"{api}/event_auth/{{room_id}}/{{event_id}}", self.auth_chain, auth=Auth.FEDERATION,
                resource="federation", answer=AuthChain, spec="getEventAuth", summary="What authorises an event",
            ),
        ]  # fmt: skip

    async def state(self, request: Request) -> Response:
        """The state before an event."""
        event_id = request.query(At).event_id
        return Response(stream=await self._state.state(request.origin, request.params["room_id"], event_id))

    async def state_ids(self, request: Request) -> Response:
        """The ids of the state before an event."""
        event_id = request.query(At).event_id
        return json_bytes(await self._state.state_ids(request.origin, request.params["room_id"], event_id))

    async def auth_chain(self, request: Request) -> Response:
        """What authorises an event."""
        room_id, event_id = request.params["room_id"], request.params["event_id"]
        return Response(stream=await self._state.auth_chain(request.origin, room_id, event_id))
