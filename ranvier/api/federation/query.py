"""Questions of other servers about aliases and profiles. Spec: server-server API, "Querying for information"."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import MatrixError, forbidden, invalid_param, not_found
from ranvier.proto.ids import domain_of, is_room_alias, is_user_id
from ranvier.rooms.aliases import Aliases
from ranvier.users.profiles import Profiles


class OfAlias(msgspec.Struct):
    """The alias in question."""

    room_alias: str


class OfUser(msgspec.Struct):
    """The user in question; all of the profile, or one field."""

    user_id: str
    field: str | None = None


class Resolved(msgspec.Struct):
    """The room that an alias names, and servers that are in it."""

    room_id: str
    servers: list[str]


class QueryApi:
    """Answers questions; `shows_profiles` is what the configuration says."""

    def __init__(self, *, aliases: Aliases, profiles: Profiles, server_name: str, shows_profiles: bool) -> None:
        self._aliases = aliases
        self._profiles = profiles
        self._server_name = server_name
        self._shows_profiles = shows_profiles

    def routes(self) -> list[Route]:
        """The module's routes."""
        api = "/_matrix/federation/v1/query"
        return [
            *routes(
                "GET", f"{api}/directory", self.directory, auth=Auth.FEDERATION, resource="federation",
                query=OfAlias, answer=Resolved, spec="queryRoomDirectory", summary="The room that an alias names",
            ),
            *routes(
                "GET", f"{api}/profile", self.profile, auth=Auth.FEDERATION, resource="federation", query=OfUser,
                answer=dict[str, Any], spec="queryProfile", summary="A user's profile",
            ),
            *routes(
                "GET", f"{api}/{{query_type}}", self.unknown, auth=Auth.FEDERATION, resource="federation",
                answer=dict[str, Any], spec="queryInfo", summary="Any other question: there is none that we know",
            ),
        ]  # fmt: skip

    async def directory(self, request: Request) -> Response:
        """The room that an alias names."""
        alias = request.query(OfAlias).room_alias
        if not is_room_alias(alias):
            raise invalid_param("room_alias: not a room alias")
        if domain_of(alias) != self._server_name:
            raise not_found("Not an alias of this server")
        room_id, servers = await self._aliases.resolve(alias)
        return json_response(Resolved(room_id, servers))

    async def profile(self, request: Request) -> Response:
        """A user's profile."""
        query = request.query(OfUser)
        if not self._shows_profiles:
            raise forbidden("This server does not show profiles to other servers")
        if not is_user_id(query.user_id):
            raise invalid_param("user_id: not a user id")
        if domain_of(query.user_id) != self._server_name:
            raise not_found("Not a user of this server")
        fields: Mapping[str, Any] = await self._profiles.get(query.user_id)
        if query.field is None:
            return json_response(dict(fields))
        if query.field not in fields:
            raise not_found("Profile field not found")
        return json_response({query.field: fields[query.field]})

    async def unknown(self, request: Request) -> Response:
        """Raises 404 `M_UNRECOGNIZED`."""
        raise MatrixError(404, "M_UNRECOGNIZED", "Unknown kind of query")
