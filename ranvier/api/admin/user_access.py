"""Who may log in, as whom, as what: `deactivate`, `reset_password`, `admin`, `login`, `shadow_ban`, `suspend`.

Manual: admin API, "User Admin API".
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from ranvier.api.admin.paging import Time
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import MatrixError
from ranvier.store.users import Flag
from ranvier.users.administration import Administration

USER: Final = "/_synapse/admin/v1/users/{user_id}"


class Deactivation(msgspec.Struct):
    """How to close the account."""

    erase: bool = False


class Deactivated(msgspec.Struct):
    """No identity server knows anything of ours."""

    id_server_unbind_result: str = "success"


class NewPassword(msgspec.Struct):
    """The password, and whether other logins end."""

    new_password: str
    logout_devices: bool = True


class Admin(msgspec.Struct):
    """Whether the user is a server admin."""

    admin: bool


class LoginWish(msgspec.Struct):
    """For how long."""

    valid_until_ms: Time | None = None


class Token(msgspec.Struct):
    """An access token that belongs to no device."""

    access_token: str


class Suspension(msgspec.Struct):
    """Whether the user is to be suspended."""

    suspend: bool


class UserAccessApi:
    """`leave_rooms(user_id)` makes a user leave every room."""

    def __init__(self, *, administration: Administration, leave_rooms: Callable[[str], Awaitable[None]]) -> None:
        self._administration = administration
        self._leave_rooms = leave_rooms

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("POST", "/_synapse/admin/v1/deactivate/{user_id}", self.deactivate, auth=Auth.ADMIN,
                body=Deactivation, answer=Deactivated, summary="Close an account"),
            *routes("POST", "/_synapse/admin/v1/reset_password/{user_id}", self.reset_password, auth=Auth.ADMIN,
                body=NewPassword, answer=Nothing, summary="Set a password"),
            *routes("GET", f"{USER}/admin", self.is_admin, auth=Auth.ADMIN, answer=Admin,
                summary="Whether a user is a server admin"),
            *routes("PUT", f"{USER}/admin", self.set_admin, auth=Auth.ADMIN, body=Admin, answer=Nothing,
                summary="Make a user a server admin, or not"),
            *routes("POST", f"{USER}/login", self.login, auth=Auth.ADMIN, body=LoginWish, answer=Token,
                summary="An access token to act as a user"),
            *routes("POST", f"{USER}/shadow_ban", self.shadow_ban, auth=Auth.ADMIN, answer=Nothing,
                summary="Let what a user says go nowhere"),
            *routes("DELETE", f"{USER}/shadow_ban", self.lift_shadow_ban, auth=Auth.ADMIN, answer=Nothing,
                summary="Let a user be heard again"),
            *routes("PUT", "/_synapse/admin/v1/suspend/{user_id}", self.suspend, auth=Auth.ADMIN, body=Suspension,
                answer=Nothing, summary="Suspend an account, or lift its suspension"),
        ]  # fmt: skip

    async def deactivate(self, request: Request) -> Response:
        """The user leaves every room."""
        user_id, wanted = request.params["user_id"], request.json(Deactivation)
        await self._administration.get(user_id)
        await self._administration.changes.deactivate(user_id, erase=wanted.erase)
        await self._leave_rooms(user_id)
        return json_response(Deactivated())

    async def reset_password(self, request: Request) -> Response:
        """Of deactivated accounts there is none."""
        user_id, wanted = request.params["user_id"], request.json(NewPassword)
        if (await self._administration.get(user_id)).deactivated:
            raise MatrixError(400, "M_UNKNOWN", "The account is deactivated")
        await self._administration.changes.set_password(
            user_id, wanted.new_password, logout_devices=wanted.logout_devices
        )
        return EMPTY_OBJECT

    async def is_admin(self, request: Request) -> Response:
        """404 if there is no such account."""
        return json_response(Admin((await self._administration.get(request.params["user_id"])).is_admin))

    async def set_admin(self, request: Request) -> Response:
        """Not for oneself: somebody must stay."""
        user_id, wanted = request.params["user_id"], request.json(Admin)
        if user_id == request.requester.user_id and not wanted.admin:
            raise MatrixError(400, "M_UNKNOWN", "You may not demote yourself")
        await self._set(user_id, "admin", value=wanted.admin)
        return EMPTY_OBJECT

    async def login(self, request: Request) -> Response:
        """The token ends with the user's tokens, not with the administrator's."""
        wanted = request.json(LoginWish)
        token = await self._administration.login_as(request.requester, request.params["user_id"], wanted.valid_until_ms)
        return json_response(Token(token))

    async def shadow_ban(self, request: Request) -> Response:
        """In force with the next request."""
        await self._set(request.params["user_id"], "shadow_banned", value=True)
        return EMPTY_OBJECT

    async def lift_shadow_ban(self, request: Request) -> Response:
        """In force with the next request."""
        await self._set(request.params["user_id"], "shadow_banned", value=False)
        return EMPTY_OBJECT

    async def suspend(self, request: Request) -> Response:
        """In force with the next request."""
        wanted = request.json(Suspension)
        await self._set(request.params["user_id"], "suspended", value=wanted.suspend)
        return EMPTY_OBJECT

    async def _set(self, user_id: str, flag: Flag, *, value: bool) -> None:
        await self._administration.get(user_id)
        await self._administration.changes.set_flag(user_id, flag, value=value)
