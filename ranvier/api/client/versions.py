"""`GET /_matrix/client/versions`: which versions of the spec this server speaks. Spec: "API Versions"."""

from collections.abc import Mapping
from typing import Final

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, encode_json, json_bytes
from ranvier.http.route import Auth, Route, routes

SPEC_VERSIONS: Final = ("r0.6.1", *(f"v1.{minor}" for minor in range(1, 18)))
"""Up to the last one of which nothing is missing that it brought for clients and rooms; what is missing of all of them
(search, push delivery) stands in docs/conformance.md. v1.18 brought policy servers, which are not asked yet."""


class Versions(msgspec.Struct):
    """The answer."""

    versions: list[str]
    unstable_features: dict[str, bool]


class VersionsApi:
    """Needs only to know which unstable features are really there."""

    def __init__(self, *, unstable_features: Mapping[str, bool]) -> None:
        self._body = encode_json(Versions(list(SPEC_VERSIONS), dict(unstable_features)))

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET",
            "/_matrix/client/versions",
            self.versions,
            # The same for everybody, so a token is not even looked at.
            auth=Auth.NONE,
            answer=Versions,
            spec="getVersions",
            summary="Versions of the specification this server supports",
        )

    async def versions(self, request: Request) -> Response:
        """What is supported."""
        return json_bytes(self._body)
