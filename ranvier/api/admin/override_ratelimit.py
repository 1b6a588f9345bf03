"""`/_synapse/admin/v1/users/{user_id}/override_ratelimit`: limits for one user."""

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.users.rate_overrides import RateOverride, RateOverrides


class OwnLimit(msgspec.Struct):
    """How often the user may do what is limited for all; 0 messages per second: as often as they like."""

    messages_per_second: int = 0
    burst_count: int = 0


class FoundLimit(msgspec.Struct):
    """The limits of a user; empty if they have none of their own."""

    messages_per_second: int | UnsetType = UNSET
    burst_count: int | UnsetType = UNSET


class OverrideRatelimitApi:
    """Reads, sets and removes the limits of single users."""

    def __init__(self, *, overrides: RateOverrides) -> None:
        self._overrides = overrides

    def routes(self) -> list[Route]:
        """The module's routes."""
        at = "/_synapse/admin/v1/users/{user_id}/override_ratelimit"
        return [
            *routes("GET", at, self.get, auth=Auth.ADMIN, answer=FoundLimit,
                summary="The limits of one user, if they have their own"),
            *routes(
                "POST", at, self.set, auth=Auth.ADMIN, body=OwnLimit, answer=OwnLimit,
                summary="Give a user limits of their own",
            ),
            *routes("DELETE", at, self.delete, auth=Auth.ADMIN, answer=Nothing, summary="Limit a user as everybody"),
        ]  # fmt: skip

    async def get(self, request: Request) -> Response:
        """An empty object for who has none of their own."""
        found = await self._overrides.get(request.params["user_id"])
        return EMPTY_OBJECT if found is None else json_response(OwnLimit(found.messages_per_second, found.burst_count))

    async def set(self, request: Request) -> Response:
        """In force at once."""
        wanted = request.json(OwnLimit)
        override = RateOverride(wanted.messages_per_second, wanted.burst_count)
        await self._overrides.set(request.params["user_id"], override)
        return json_response(wanted)

    async def delete(self, request: Request) -> Response:
        """In force at once."""
        await self._overrides.delete(request.params["user_id"])
        return EMPTY_OBJECT
