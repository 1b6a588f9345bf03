"""`/register`. Spec: client-server API, "Account registration", "Token-authenticated registration"."""

from typing import Literal

import msgspec

from ranvier.http.authenticate import bearer_token
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.ratelimit import RateLimiter
from ranvier.users.application_services import LOGIN
from ranvier.users.registration import Registered, Registration, RegistrationRequest
from ranvier.users.service_registration import ServiceRegistration


class RegisterQuery(msgspec.Struct):
    """The query string of `POST /register`."""

    kind: Literal["user", "guest"] = "user"


class GuestRequest(msgspec.Struct):
    """What counts of the body when a guest registers."""

    initial_device_display_name: str | None = None


class AvailableQuery(msgspec.Struct):
    """The query string of `GET /register/available`."""

    username: str


class Available(msgspec.Struct):
    """The name can be had."""

    available: bool


class TokenQuery(msgspec.Struct):
    """The query string of the validity check."""

    token: str


class TokenValidity(msgspec.Struct):
    """Whether a registration token is valid."""

    valid: bool


class RegisterApi:
    """Making accounts."""

    def __init__(
        self, *, registration: Registration, of_services: ServiceRegistration, registrations: RateLimiter
    ) -> None:
        self._registration = registration
        self._of_services = of_services
        self._limiter = registrations

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "POST",
                paths("/register"),
                self.register,
                auth=Auth.NONE,
                query=RegisterQuery,
                body=RegistrationRequest,
                answer=Registered,
                spec="register",
                summary="Make an account",
            ),
            *routes(
                "GET",
                paths("/register/available"),
                self.available,
                auth=Auth.NONE,
                query=AvailableQuery,
                answer=Available,
                spec="checkUsernameAvailability",
                summary="Whether a user name can be had",
            ),
            *routes(
                "GET",
                "/_matrix/client/v1/register/m.login.registration_token/validity",
                self.token_validity,
                auth=Auth.NONE,
                limit="rc_registration_token_validity",
                query=TokenQuery,
                answer=TokenValidity,
                spec="registrationTokenValidity",
                summary="Whether a registration token is valid",
            ),
        ]

    async def register(self, request: Request) -> Response:
        """Make an account. Counted by address are accounts, not the requests that it takes to make one.

        Application services are not limited.
        """
        query = request.query(RegisterQuery)
        if query.kind == "user" and (wanted := request.json(RegistrationRequest)).type == LOGIN:
            return json_response(await self._of_services.register(bearer_token(request), wanted))
        self._limiter.check(request.client_ip)
        if query.kind == "guest":
            made = await self._registration.register_guest(request.json(GuestRequest).initial_device_display_name)
        else:
            made = await self._registration.register(request.json(RegistrationRequest))
        self._limiter.count(request.client_ip)
        return json_response(made)

    async def available(self, request: Request) -> Response:
        """Answers only if the name can be had."""
        await self._registration.check_available(request.query(AvailableQuery).username)
        return json_response(Available(available=True))

    async def token_validity(self, request: Request) -> Response:
        """Whether one could register with this token now."""
        return json_response(TokenValidity(await self._registration.is_token_valid(request.query(TokenQuery).token)))
