"""Networks that are bridged: none. Spec: client-server API, "Third-party Networks"."""

from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import not_found


class AliasQuery(msgspec.Struct):
    """Whose location is wanted."""

    alias: str


class UserQuery(msgspec.Struct):
    """Whose other identities are wanted."""

    userid: str


class ThirdPartyApi:
    """Says that nothing is known of any protocol."""

    def routes(self) -> list[Route]:
        """The module's routes."""
        by_protocol = [
            ("protocol", "getProtocolMetadata"),
            ("location", "queryLocationByProtocol"),
            ("user", "queryUserByProtocol"),
        ]
        return [
            *routes(
                "GET", paths("/thirdparty/protocols"), self.protocols, auth=Auth.USER, answer=dict[str, Any],
                spec="getProtocols", summary="The bridged networks",
            ),
            *(
                route
                for kind, spec in by_protocol
                for route in routes(
                    "GET", paths(f"/thirdparty/{kind}/{{protocol}}"), self.nothing, auth=Auth.USER, spec=spec,
                    summary=f"Third-party {kind} by protocol",
                )
            ),
            *routes(
                "GET", paths("/thirdparty/location"), self.no_location, auth=Auth.USER, query=AliasQuery,
                spec="queryLocationByAlias", summary="Third-party locations of a room",
            ),
            *routes(
                "GET", paths("/thirdparty/user"), self.no_user, auth=Auth.USER, query=UserQuery,
                spec="queryUserByID", summary="Third-party identities of a user",
            ),
        ]  # fmt: skip

    async def protocols(self, request: Request) -> Response:
        """No protocol is known."""
        return EMPTY_OBJECT

    async def nothing(self, request: Request) -> Response:
        """Nothing is known of this protocol."""
        raise not_found("Unknown protocol")

    async def no_location(self, request: Request) -> Response:
        """Nothing is known of this alias."""
        request.query(AliasQuery)
        raise not_found("No third-party location has this alias")

    async def no_user(self, request: Request) -> Response:
        """Nothing is known of this user."""
        request.query(UserQuery)
        raise not_found("This user has no third-party identity")
