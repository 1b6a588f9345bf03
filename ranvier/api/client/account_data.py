"""`/user/{userId}/account_data` and the same for a room. Spec: client-server API, "Client Config"."""

from typing import Any

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_bytes
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.users.account_data import AccountData


class AccountDataApi:
    """What clients keep for their user."""

    def __init__(self, *, account_data: AccountData) -> None:
        self._account_data = account_data

    def routes(self) -> list[Route]:
        """The module's routes."""
        everywhere = paths("/user/{user_id}/account_data/{type}")
        in_room = paths("/user/{user_id}/rooms/{room_id}/account_data/{type}")
        return [
            *routes(
                "GET",
                everywhere,
                self.get,
                auth=Auth.USER,
                answer=dict[str, Any],
                spec="getAccountData",
                summary="One entry of account data",
            ),
            *routes(
                "PUT",
                everywhere,
                self.put,
                auth=Auth.USER,
                body=dict[str, Any],
                answer=Nothing,
                spec="setAccountData",
                summary="Set one entry of account data",
            ),
            *routes(
                "GET",
                in_room,
                self.get,
                auth=Auth.USER,
                answer=dict[str, Any],
                spec="getAccountDataPerRoom",
                summary="One entry of account data of a room",
            ),
            *routes(
                "PUT",
                in_room,
                self.put,
                auth=Auth.USER,
                body=dict[str, Any],
                answer=Nothing,
                spec="setAccountDataPerRoom",
                summary="Set one entry of account data of a room",
            ),
        ]

    async def get(self, request: Request) -> Response:
        """The content of one entry."""
        params = request.params
        return json_bytes(
            await self._account_data.get(request.requester, params["user_id"], params.get("room_id"), params["type"])
        )

    async def put(self, request: Request) -> Response:
        """Set one entry."""
        params = request.params
        await self._account_data.put(
            request.requester, params["user_id"], params.get("room_id"), params["type"], request.json_object()
        )
        return EMPTY_OBJECT
