"""Holds the requests of each other server to `rc_federation`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ranvier.federation.admission import Admission
from ranvier.http.request import Request
from ranvier.http.response import Response
from ranvier.http.route import Route


def admitted(routes: Sequence[Route], admission: Admission, *, paced: bool = True) -> list[Route]:
    """The same routes, as fast as the configuration lets them be. `paced` as in `Admission.admitted`."""

    def wrapped(call: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            async with admission.admitted(request.origin, paced=paced):
                return await call(request)

        return serve

    return [replace(route, call=wrapped(route.call)) for route in routes]
