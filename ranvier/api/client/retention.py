"""`GET /retention/configuration`: how long messages live on this server. MSC1763, by its unstable name."""

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.config.retention_sections import RetentionConfig
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.rooms.lifetimes import Lifetimes

AT = "/_matrix/client/unstable/org.matrix.msc1763/retention/configuration"
EVERY_ROOM = "*"


class Policy(msgspec.Struct):
    """Of the rooms that say nothing themselves."""

    max_lifetime: int
    """Milliseconds."""


class Limit(msgspec.Struct):
    """What rooms may say; what is beyond counts as this."""

    min: int | UnsetType = UNSET
    max: int | UnsetType = UNSET


class Limits(msgspec.Struct):
    """By field of a policy."""

    max_lifetime: Limit | UnsetType = UNSET


class RetentionAnswer(msgspec.Struct):
    """The operator's policies."""

    policies: dict[str, Policy]
    """`*`: of every room."""
    limits: Limits


class RetentionApi:
    """Tells clients, which may forget messages themselves."""

    def __init__(self, *, config: RetentionConfig, lifetimes: Lifetimes) -> None:
        default = lifetimes.of_policy({})
        low, high = config.allowed_min_ms, config.allowed_max_ms
        limit = Limit(UNSET if low is None else low, UNSET if high is None else high)
        self._answer = RetentionAnswer(
            policies={} if default is None else {EVERY_ROOM: Policy(default)},
            limits=Limits() if low is None and high is None else Limits(limit),
        )

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", AT, self.get, auth=Auth.USER, guest=True, answer=RetentionAnswer,
            summary="How long messages live on this server",
        )  # fmt: skip

    async def get(self, request: Request) -> Response:
        """The same for everybody."""
        return json_response(self._answer)
