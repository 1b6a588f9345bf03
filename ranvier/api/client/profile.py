"""`/profile/*`. Spec: client-server API, "Profiles"."""

from collections.abc import Awaitable, Callable
from typing import Any

from ranvier.config.model import Config
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import MatrixError, forbidden, invalid_param, missing_param
from ranvier.proto.ids import is_user_id
from ranvier.users.profiles import Profiles
from ranvier.users.requester import Requester
from ranvier.users.suspension import check_active


class ProfileApi:
    """Reading and changing profiles.

    `announce(user_id)` tells the user's rooms of another name or avatar; `shares_room(a, b)` answers whether two users are
    in a room together, and is asked only where the configuration hides profiles from strangers.
    """

    def __init__(
        self,
        *,
        profiles: Profiles,
        config: Config,
        announce: Callable[[str], Awaitable[None]],
        shares_room: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self._profiles = profiles
        self._announce = announce
        self._shares_room = shares_room
        self._hides_from_strangers = config.limit_profile_requests_to_users_who_share_rooms
        self._needs_token = config.require_auth_for_profile_requests or self._hides_from_strangers

    def routes(self) -> list[Route]:
        """The module's routes."""
        field = paths("/profile/{user_id}/{key}")
        return [
            *routes(
                "GET",
                paths("/profile/{user_id}"),
                self.get,
                auth=Auth.OPTIONAL,
                guest=True,
                answer=dict[str, Any],
                spec="getUserProfile",
                summary="A user's profile",
            ),
            *routes(
                "GET",
                field,
                self.get_field,
                auth=Auth.OPTIONAL,
                guest=True,
                answer=dict[str, Any],
                spec="getProfileField",
                summary="One field of a user's profile",
            ),
            *routes(
                "PUT",
                field,
                self.set_field,
                auth=Auth.USER,
                guest=True,
                body=dict[str, Any],
                answer=Nothing,
                spec="setProfileField",
                summary="Set one field of one's own profile",
            ),
            *routes(
                "DELETE",
                field,
                self.delete_field,
                auth=Auth.USER,
                guest=True,
                answer=Nothing,
                spec="deleteProfileField",
                summary="Remove one field of one's own profile",
            ),
        ]

    async def get(self, request: Request) -> Response:
        """All fields."""
        await self._check_may_read(request)
        return json_response(dict(await self._profiles.get(request.params["user_id"])))

    async def get_field(self, request: Request) -> Response:
        """One field."""
        await self._check_may_read(request)
        key = request.params["key"]
        return json_response({key: await self._profiles.field(request.params["user_id"], key)})

    async def set_field(self, request: Request) -> Response:
        """Set one field, and tell the rooms."""
        user_id, key = request.params["user_id"], request.params["key"]
        _check_may_change(request.requester, key)
        body = request.json_object()
        if key not in body:
            raise missing_param(f"{key} is missing")
        if await self._profiles.set(request.requester, user_id, key, body[key]):
            await self._tell(request.requester, user_id)
        return EMPTY_OBJECT

    async def delete_field(self, request: Request) -> Response:
        """Remove one field, and tell the rooms."""
        user_id, key = request.params["user_id"], request.params["key"]
        _check_may_change(request.requester, key)
        if await self._profiles.delete(request.requester, user_id, key):
            await self._tell(request.requester, user_id)
        return EMPTY_OBJECT

    async def _tell(self, requester: Requester, user_id: str) -> None:
        """Tell the rooms, unless nothing that the user does is to be seen."""
        if not requester.shadow_banned:
            await self._announce(user_id)

    async def _check_may_read(self, request: Request) -> None:
        """Raises 400 `M_INVALID_PARAM`, 401 `M_MISSING_TOKEN`, 403 `M_FORBIDDEN`."""
        user_id = request.params["user_id"]
        if not is_user_id(user_id):
            raise invalid_param("Not a user id")
        if not self._needs_token:
            return
        if not request.has_requester:
            raise MatrixError(401, "M_MISSING_TOKEN", "Missing access token")
        asker = request.requester.user_id
        if self._hides_from_strangers and asker != user_id and not await self._shares_room(asker, user_id):
            raise forbidden("Profile lookup is limited to users who share a room")


def _check_may_change(requester: Requester, key: str) -> None:
    """Raises 403 `M_USER_SUSPENDED`, or `M_GUEST_ACCESS_FORBIDDEN`: guests have nothing but a name."""
    check_active(requester)
    if requester.is_guest and key != "displayname":
        raise MatrixError(403, "M_GUEST_ACCESS_FORBIDDEN", "Guests may not do this")
