"""`/user_directory/search`. Spec: client-server API, "User Directory"."""

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import invalid_param
from ranvier.rooms.user_search import UserSearch
from ranvier.store.user_directory import Listed


class UserQuery(msgspec.Struct):
    """What to look for."""

    search_term: str
    limit: int = 10


class FoundUser(msgspec.Struct):
    """Somebody."""

    user_id: str
    display_name: str | UnsetType = UNSET
    avatar_url: str | UnsetType = UNSET


class FoundUsers(msgspec.Struct):
    """The best results first."""

    results: list[FoundUser]
    limited: bool


class UserDirectoryApi:
    """Searches."""

    def __init__(self, *, search: UserSearch) -> None:
        self._search = search

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "POST",
            paths("/user_directory/search"),
            self.search,
            auth=Auth.USER,
            limit="rc_user_directory",
            body=UserQuery,
            answer=FoundUsers,
            spec="searchUserDirectory",
            summary="Find users by what they are called",
        )

    async def search(self, request: Request) -> Response:
        """Nothing changes by it."""
        query = request.json(UserQuery)
        if query.limit < 0:
            raise invalid_param("limit cannot be negative")
        found, limited = await self._search.search(request.requester.user_id, query.search_term, query.limit)
        return json_response(FoundUsers([_shown(listed) for listed in found], limited))


def _shown(listed: Listed) -> FoundUser:
    avatar = listed.avatar_url
    return FoundUser(
        listed.user_id,
        UNSET if listed.display_name is None else listed.display_name,
        UNSET if avatar is None or not avatar.startswith("mxc://") else avatar,
    )
