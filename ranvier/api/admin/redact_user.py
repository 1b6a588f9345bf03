"""`/_synapse/admin/v1/user/{user_id}/redact`: everything that a user has said. Manual: "Redact all the events of a user"."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ranvier.api.admin.paging import Time
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import invalid_param
from ranvier.proto.ids import is_user_id
from ranvier.rooms.redact_user import UserRedactions
from ranvier.store.scheduled_tasks import Status


class RedactionWish(msgspec.Struct):
    """What is to be redacted."""

    rooms: list[str]
    """None: in every room."""
    reason: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1 << 31)] = 1000
    use_admin: bool = False
    after_ts: Time | None = None
    before_ts: Time | None = None


class Begun(msgspec.Struct):
    """What to ask with."""

    redact_id: str


class RedactionStatus(msgspec.Struct):
    """How far it is."""

    status: Status
    failed_redactions: dict[str, str]
    """Why, by event."""
    error: str | None = None


class RedactUserApi:
    """Redacts in the background."""

    def __init__(self, *, redactions: UserRedactions) -> None:
        self._redactions = redactions

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("POST", "/_synapse/admin/v1/user/{user_id}/redact", self.begin, auth=Auth.ADMIN,
                body=RedactionWish, answer=Begun, summary="Redact what a user has said"),
            *routes("GET", "/_synapse/admin/v1/user/redact_status/{redact_id}", self.status, auth=Auth.ADMIN,
                answer=RedactionStatus, summary="How far redacting is"),
        ]  # fmt: skip

    async def begin(self, request: Request) -> Response:
        """Of users of other servers too."""
        user_id, wanted = request.params["user_id"], request.json(RedactionWish)
        if not is_user_id(user_id):
            raise invalid_param("Not a user id")
        redact_id = await self._redactions.begin(
            user_id,
            room_ids=wanted.rooms,
            admin_id=request.requester.user_id,
            use_admin=wanted.use_admin,
            reason=wanted.reason,
            limit=wanted.limit,
            after_ts=wanted.after_ts,
            before_ts=wanted.before_ts,
        )
        return json_response(Begun(redact_id))

    async def status(self, request: Request) -> Response:
        """404 for one that there is not, or no more."""
        task = await self._redactions.status(request.params["redact_id"])
        failed = {} if task.result is None else task.result["failed_redactions"]
        return json_response(RedactionStatus(task.status, failed, task.error))
