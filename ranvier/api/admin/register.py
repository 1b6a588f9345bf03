"""`/_synapse/admin/v1/register` and `server_version`: what tools ask for without an access token."""

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.users.registration import Registered
from ranvier.users.shared_secret import SharedSecretRegistration, SharedSecretRequest


class Nonce(msgspec.Struct):
    """What the HMAC of one registration is made over."""

    nonce: str


class ServerVersion(msgspec.Struct):
    """Which program this is."""

    server_version: str


class AdminRegisterApi:
    """Registration with `registration_shared_secret`."""

    def __init__(self, *, registration: SharedSecretRegistration, version: str) -> None:
        self._registration = registration
        self._version = version

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET",
                "/_synapse/admin/v1/register",
                self.nonce,
                auth=Auth.NONE,
                answer=Nonce,
                summary="A nonce for one registration",
            ),
            *routes(
                "POST",
                "/_synapse/admin/v1/register",
                self.register,
                auth=Auth.NONE,
                body=SharedSecretRequest,
                answer=Registered,
                summary="Make an account with the shared secret",
            ),
            *routes(
                "GET",
                "/_synapse/admin/v1/server_version",
                self.server_version,
                auth=Auth.NONE,
                answer=ServerVersion,
                summary="The version of this server",
            ),
        ]

    async def nonce(self, request: Request) -> Response:
        """Good for a minute."""
        return json_response(Nonce(self._registration.new_nonce()))

    async def register(self, request: Request) -> Response:
        """Make an account."""
        return json_response(await self._registration.register(request.json(SharedSecretRequest)))

    async def server_version(self, request: Request) -> Response:
        """The version of this server."""
        return json_response(ServerVersion(self._version))
