"""`/presence/{}/status`. Spec: client-server API, "Presence"."""

from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.sync.presence_status import PresenceStatus
from ranvier.users.device_presence import PresenceName


class NewPresence(msgspec.Struct):
    """What users say about themselves."""

    presence: PresenceName
    status_msg: str | None = None


class PresenceAnswer(msgspec.Struct, omit_defaults=True):
    """How present a user is."""

    presence: PresenceName
    last_active_ago: int | None = None
    status_msg: str | None = None
    currently_active: bool | None = None


class PresenceApi:
    """Setting one's own presence, reading that of others."""

    def __init__(self, *, status: PresenceStatus) -> None:
        self._status = status

    def routes(self) -> list[Route]:
        """The module's routes."""
        at = paths("/presence/{user_id}/status")
        return [
            *routes(
                "GET",
                at,
                self.get,
                auth=Auth.USER,
                answer=PresenceAnswer,
                spec="getPresence",
                summary="How present a user is",
            ),
            *routes(
                "PUT",
                at,
                self.put,
                auth=Auth.USER,
                limit="rc_presence.per_user",
                body=NewPresence,
                answer=dict[str, Any],
                spec="setPresence",
                summary="Say how present one is",
            ),
        ]

    async def get(self, request: Request) -> Response:
        """A user's presence."""
        return json_response(await self._status.get(request.requester, request.params["user_id"]))

    async def put(self, request: Request) -> Response:
        """Set one's own presence."""
        body = request.json(NewPresence)
        await self._status.set(request.requester, request.params["user_id"], body.presence, body.status_msg)
        return EMPTY_OBJECT
