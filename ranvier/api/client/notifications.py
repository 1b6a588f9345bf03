"""`GET /notifications`. Spec: client-server API, "Listing Notifications"."""

from typing import Annotated, Any

import msgspec
import orjson

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import invalid_param
from ranvier.sync.notifications import Notifications

LONGEST_TOKEN = 18


class NotificationsQuery(msgspec.Struct, rename={"since": "from"}):
    """Which notifications are wanted."""

    since: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=0)] = 20
    only: str | None = None


class NotificationList(msgspec.Struct, omit_defaults=True):
    """The answer."""

    notifications: list[dict[str, Any]]
    next_token: str | None = None


class NotificationsApi:
    """What a user was notified of."""

    def __init__(self, *, notifications: Notifications) -> None:
        self._notifications = notifications

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET",
            paths("/notifications"),
            self.page,
            auth=Auth.USER,
            query=NotificationsQuery,
            answer=NotificationList,
            spec="getNotifications",
            summary="What the user was notified of",
        )

    async def page(self, request: Request) -> Response:
        """A page of the list."""
        query = request.query(NotificationsQuery)
        page = await self._notifications.page(
            request.requester,
            before=None if query.since is None else _number(query.since),
            limit=query.limit,
            only_highlights=query.only == "highlight",
        )
        answer: dict[str, Any] = {
            "notifications": [
                {
                    "actions": entry.actions,
                    "event": orjson.Fragment(entry.event),
                    "read": entry.read,
                    "room_id": entry.room_id,
                    "ts": entry.ts,
                }
                for entry in page.notifications
            ]
        }
        if page.next_before is not None:
            answer["next_token"] = str(page.next_before)
        return json_response(answer)


def _number(token: str) -> int:
    if not (token.isascii() and token.isdecimal() and len(token) <= LONGEST_TOKEN):
        raise invalid_param("from: not a token of this list")
    return int(token)
