"""`/account/*`: who one is, another password, leaving for good.

Spec: client-server API, "Current account information", "Password management", "Account deactivation".
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.users.account import AccountChanges


class Whoami(msgspec.Struct, omit_defaults=True):
    """The owner of an access token."""

    user_id: str
    device_id: str | None = None
    is_guest: bool | None = None


class PasswordChange(msgspec.Struct):
    """The body of `POST /account/password`."""

    new_password: str
    logout_devices: bool = True
    auth: dict[str, Any] | None = None


class Deactivation(msgspec.Struct):
    """The body of `POST /account/deactivate`."""

    auth: dict[str, Any] | None = None
    id_server: str | None = None
    erase: bool = False


class Deactivated(msgspec.Struct):
    """Whether every identity server that knew the account because of us has forgotten it."""

    id_server_unbind_result: str


class AccountApi:
    """The user's own account.

    `leave_rooms(user_id)` makes a deactivated user leave every room; `unbind(user_id)` lets identity servers forget them,
    and says whether they have.
    """

    def __init__(
        self,
        *,
        account: AccountChanges,
        leave_rooms: Callable[[str], Awaitable[None]],
        unbind: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._unbind = unbind
        self._account = account
        self._leave_rooms = leave_rooms

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET",
                paths("/account/whoami"),
                self.whoami,
                auth=Auth.USER,
                guest=True,
                answer=Whoami,
                spec="getTokenOwner",
                summary="Whose access token this is",
            ),
            *routes(
                "POST",
                paths("/account/password"),
                self.change_password,
                auth=Auth.OPTIONAL,
                body=PasswordChange,
                answer=Nothing,
                spec="changePassword",
                summary="Set another password",
            ),
            *routes(
                "POST",
                paths("/account/deactivate"),
                self.deactivate,
                auth=Auth.OPTIONAL,
                body=Deactivation,
                answer=Deactivated,
                spec="deactivateAccount",
                summary="Deactivate one's own account",
            ),
        ]

    async def whoami(self, request: Request) -> Response:
        """Whose token this is."""
        requester = request.requester
        return json_response(
            {
                "user_id": requester.user_id,
                "is_guest": requester.is_guest,
                **({} if requester.device_id is None else {"device_id": requester.device_id}),
            }
        )

    async def change_password(self, request: Request) -> Response:
        """Set another password, of the user of the token, or of the user who gives the old one."""
        change = request.json(PasswordChange)
        await self._account.change_password(
            request.requester if request.has_requester else None,
            change.new_password,
            change.auth,
            logout_devices=change.logout_devices,
        )
        return EMPTY_OBJECT

    async def deactivate(self, request: Request) -> Response:
        """Deactivate the account, and leave every room."""
        wanted = request.json(Deactivation)
        requester = request.requester if request.has_requester else None
        user_id = await self._account.deactivate_self(requester, wanted.auth, erase=wanted.erase)
        await self._leave_rooms(user_id)
        return json_response(Deactivated("success" if await self._unbind(user_id) else "no-support"))
