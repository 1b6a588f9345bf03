"""Which calls make somebody an active user, and are refused to who would be one too many.

Spec: client-server API, "Common error codes" (`M_RESOURCE_LIMIT_EXCEEDED`). Only where the configuration counts users is a
route guarded at all; logging in and registering ask for themselves.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ranvier.http.request import Request
from ranvier.http.response import Response
from ranvier.http.route import Route
from ranvier.users.monthly_users import MonthlyUsers

GUARDED: Final = frozenset(("createRoom", "redactEvent", "sendMessage", "setRoomStateWithKey", "sync"))
"""Operations of the spec; of `setRoomStateWithKey` only the method that sets."""


def counted(routes: Iterable[Route], monthly: MonthlyUsers) -> list[Route]:
    """The same routes, those that are concerned asking first."""
    return [
        _counted(route, monthly)
        if route.spec in GUARDED and not (route.spec == "setRoomStateWithKey" and route.method == "GET")
        else route
        for route in routes
    ]


def _counted(route: Route, monthly: MonthlyUsers) -> Route:
    async def call(request: Request) -> Response:
        requester = request.requester
        # A service that acts for itself is no user.
        if requester.appservice_id is None or monthly.config.counts_services:
            await monthly.check(requester.user_id)
        return await route.call(request)

    return replace(route, call=call)
