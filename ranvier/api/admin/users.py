"""`/_synapse/admin/v2/users`, `/v3/users`: the list of accounts. Manual: admin API, "List Accounts"."""

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.api.admin.paging import Ordered, next_offset
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.store.user_list import ListedUser, Order, UserFilter
from ranvier.users.administration import Administration


class UserQuery(Ordered):
    """Which accounts, in which order."""

    user_id: str | None = None
    name: str | None = None
    guests: bool = True
    admins: bool | None = None
    deactivated: bool | None = None
    locked: bool = False
    not_user_type: list[str] = msgspec.field(default_factory=list)
    order_by: Order = "name"


class ShownUser(msgspec.Struct):
    """One account in the list."""

    name: str
    is_guest: bool
    admin: bool
    user_type: str | None
    deactivated: bool
    erased: bool
    shadow_banned: bool
    displayname: str | None
    avatar_url: str | None
    creation_ts: int
    last_seen_ts: int | None
    locked: bool
    suspended: bool


class UserPage(msgspec.Struct):
    """A part of the list."""

    users: list[ShownUser]
    total: int
    next_token: str | UnsetType = UNSET


class UsersApi:
    """Lists accounts."""

    def __init__(self, *, administration: Administration) -> None:
        self._administration = administration

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", "/_synapse/admin/v2/users", self.v2, auth=Auth.ADMIN, query=UserQuery, answer=UserPage,
                summary="Accounts; those that are deactivated only if asked for"),
            *routes("GET", "/_synapse/admin/v3/users", self.v3, auth=Auth.ADMIN, query=UserQuery, answer=UserPage,
                summary="Accounts; all, or only those that are (not) deactivated"),
        ]  # fmt: skip

    async def v2(self, request: Request) -> Response:
        """`deactivated` adds those that are."""
        query = request.query(UserQuery)
        return await self._page(query, deactivated=None if query.deactivated else False)

    async def v3(self, request: Request) -> Response:
        """`deactivated` chooses between those that are and those that are not."""
        query = request.query(UserQuery)
        return await self._page(query, deactivated=query.deactivated)

    async def _page(self, query: UserQuery, *, deactivated: bool | None) -> Response:
        wanted = UserFilter(
            user_id=query.user_id,
            name=query.name,
            guests=query.guests,
            deactivated=deactivated,
            locked=None if query.locked else False,
            admins=query.admins,
            not_user_types=tuple(query.not_user_type),
        )
        found, total = await self._administration.page(
            wanted, order=query.order_by, offset=query.offset, limit=query.limit, backwards=query.backwards
        )
        further = next_offset(query, len(found), total)
        shown = [_shown(user) for user in found]
        return json_response(UserPage(shown, total, UNSET if further is None else str(further)))


def _shown(user: ListedUser) -> ShownUser:
    return ShownUser(
        name=user.user_id,
        is_guest=user.is_guest,
        admin=user.is_admin,
        user_type=user.user_type,
        deactivated=user.deactivated,
        erased=user.erased,
        shadow_banned=user.shadow_banned,
        displayname=user.displayname,
        avatar_url=user.avatar_url,
        creation_ts=user.creation_ts,
        last_seen_ts=user.last_seen_ts,
        locked=user.locked,
        suspended=user.suspended,
    )
