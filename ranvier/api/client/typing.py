"""`PUT /rooms/{}/typing/{}`. Spec: client-server API, "Typing Notifications"."""

from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.typing import Typing


class TypingState(msgspec.Struct):
    """The body."""

    typing: bool
    timeout: int | None = None
    """Milliseconds."""


class TypingApi:
    """Users say that they are typing."""

    def __init__(self, *, typing: Typing) -> None:
        self._typing = typing

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "PUT",
            paths("/rooms/{room_id}/typing/{user_id}"),
            self.set,
            auth=Auth.USER,
            guest=True,
            body=TypingState,
            answer=dict[str, Any],
            spec="setTyping",
            summary="Begin or stop typing",
        )

    async def set(self, request: Request) -> Response:
        """Begin or stop typing."""
        body, params = request.json(TypingState), request.params
        await self._typing.set(
            request.requester,
            params["room_id"],
            params["user_id"],
            is_typing=body.typing,
            timeout_ms=body.timeout,
        )
        return EMPTY_OBJECT
