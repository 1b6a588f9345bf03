"""Which calls take that the user has agreed to the server's policy: all that others would see.

Spec: client-server API, "Common error codes" (`M_CONSENT_NOT_GIVEN`). Only where the configuration wants it is a route
guarded at all.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ranvier.http.request import Request
from ranvier.http.response import Response
from ranvier.http.route import Route
from ranvier.proto.ids import is_room_id
from ranvier.rooms.consent_rules import ConsentRules

GUARDED: Final = frozenset(
    (
        "ban", "createRoom", "inviteUser", "joinRoom", "joinRoomById", "kick", "knockRoom", "redactEvent", "sendMessage",
        "setRoomStateWithKey", "unban", "upgradeRoom",
    )
)  # fmt: skip
"""Operations of the spec; of `setRoomStateWithKey` only the method that sets."""


def guarded(routes: Iterable[Route], rules: ConsentRules) -> list[Route]:
    """The same routes, those that are concerned asking `rules` first."""
    return [_guarded(route, rules) if route.spec in GUARDED and route.method != "GET" else route for route in routes]


def _guarded(route: Route, rules: ConsentRules) -> Route:
    async def call(request: Request) -> Response:
        if not _leaves(request):
            room_id = request.params.get("room_id") or request.params.get("room_id_or_alias", "")
            await rules.check(request.requester, room_id if is_room_id(room_id) else None)
        return await route.call(request)

    return replace(route, call=call)


def _leaves(request: Request) -> bool:
    """Whether a user takes themselves out of a room by setting state: nobody is held back."""
    params = request.params
    if params.get("event_type") != "m.room.member" or params.get("state_key") != request.requester.user_id:
        return False
    return request.json_object().get("membership") == "leave"
