"""`/_synapse/admin/v1/users/{user_id}/_allow_cross_signing_replacement_without_uia`.

Manual: admin API, "Allow replacing master cross-signing key without User-Interactive Auth".
"""

import msgspec

from ranvier.e2ee.cross_signing import CrossSigning
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.users.administration import Administration


class Until(msgspec.Struct):
    """For how long."""

    updatable_without_uia_before_ms: int


class KeysApi:
    """Lets users replace their keys who have lost all of them."""

    def __init__(self, *, administration: Administration, cross_signing: CrossSigning) -> None:
        self._administration = administration
        self._cross_signing = cross_signing

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "POST",
            "/_synapse/admin/v1/users/{user_id}/_allow_cross_signing_replacement_without_uia",
            self.allow,
            auth=Auth.ADMIN,
            answer=Until,
            summary="Let a user replace their cross-signing keys for ten minutes without proving who they are",
        )

    async def allow(self, request: Request) -> Response:
        """404 for who has no keys."""
        user = await self._administration.get(request.params["user_id"])
        return json_response(Until(await self._cross_signing.allow_replacement(user.user_id)))
