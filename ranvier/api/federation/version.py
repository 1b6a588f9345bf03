"""What software this is. Spec: server-server API, "Server implementation"."""

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes


class FederationVersionApi:
    """`GET /_matrix/federation/v1/version`."""

    def __init__(self, *, version: str) -> None:
        self._version = version

    def routes(self) -> list[Route]:
        """The route."""
        return routes(
            "GET",
            "/_matrix/federation/v1/version",
            self.version,
            auth=Auth.NONE,
            resource="federation",
            spec="getVersion",
            summary="Name and version of this software",
        )

    async def version(self, request: Request) -> Response:
        """Its name and version."""
        return json_response({"server": {"name": "Ranvier", "version": self._version}})
