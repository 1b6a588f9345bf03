"""Tells that a user's client syncs: there is somebody who reads."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ranvier.http.request import Request
from ranvier.http.response import Response
from ranvier.http.route import Route


def telling(routes: Iterable[Route], listeners: Sequence[Callable[[str], None]]) -> list[Route]:
    """The same routes; those of `/sync` tell the listeners whose client it is, before they answer."""
    return [_telling(route, listeners) if route.spec == "sync" else route for route in routes]


def _telling(route: Route, listeners: Sequence[Callable[[str], None]]) -> Route:
    async def call(request: Request) -> Response:
        for tell in listeners:
            tell(request.requester.user_id)
        return await route.call(request)

    return replace(route, call=call)
