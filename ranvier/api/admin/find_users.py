"""Finding users by what they are called elsewhere, and free names; experiments of single users.

Manual: admin API, "Check username availability", "Find a user based on their ID in an auth provider / Third Party ID",
"Experimental Features API".
"""

from typing import Final

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.users.administration import Administration
from ranvier.users.experiments import Experiments

FEATURES: Final = "/_synapse/admin/v1/experimental_features/{user_id}"


class NameQuery(msgspec.Struct):
    """The local part."""

    username: str


class Available(msgspec.Struct):
    """Whether an account can have this name."""

    available: bool


class FoundUser(msgspec.Struct):
    """Who it is."""

    user_id: str


class Features(msgspec.Struct):
    """What is on and off."""

    features: dict[str, bool]


class FindUsersApi:
    """Looks users up."""

    def __init__(self, *, administration: Administration, experiments: Experiments) -> None:
        self._administration = administration
        self._experiments = experiments

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", "/_synapse/admin/v1/username_available", self.available, auth=Auth.ADMIN, query=NameQuery,
                answer=Available, summary="Whether an account can have a name"),
            *routes("GET", "/_synapse/admin/v1/auth_providers/{provider}/users/{external_id}", self.by_external_id,
                auth=Auth.ADMIN, answer=FoundUser, summary="Who has an id at an identity provider"),
            *routes("GET", "/_synapse/admin/v1/threepid/{medium}/users/{address}", self.by_threepid, auth=Auth.ADMIN,
                answer=FoundUser, summary="Who has an address or number"),
            *routes("GET", FEATURES, self.features, auth=Auth.ADMIN, answer=Features,
                summary="Which experiments are on for a user"),
            *routes("PUT", FEATURES, self.set_features, auth=Auth.ADMIN, body=Features, answer=Nothing,
                summary="Switch experiments of a user on or off"),
        ]  # fmt: skip

    async def available(self, request: Request) -> Response:
        """Whether registration is open or not."""
        accounts = self._administration.accounts
        await accounts.check_available(accounts.user_id(request.query(NameQuery).username))
        return json_response(Available(available=True))

    async def by_external_id(self, request: Request) -> Response:
        """404 if nobody has it."""
        params = request.params
        user_id = await self._administration.by_external_id(params["provider"], params["external_id"])
        return json_response(FoundUser(user_id))

    async def by_threepid(self, request: Request) -> Response:
        """404 if nobody has it."""
        params = request.params
        return json_response(FoundUser(await self._administration.by_threepid(params["medium"], params["address"])))

    async def features(self, request: Request) -> Response:
        """All that there are."""
        user = await self._administration.get(request.params["user_id"])
        return json_response(Features(await self._experiments.of(user.user_id)))

    async def set_features(self, request: Request) -> Response:
        """The others stay."""
        wanted = request.json(Features)
        user = await self._administration.get(request.params["user_id"])
        await self._experiments.set(user.user_id, wanted.features)
        return EMPTY_OBJECT
