"""Media of a room or a user, and who has uploaded how much. Manual: admin API, "Media", "Statistics"."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ranvier.api.admin.paging import Ordered, Time, next_offset
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.media.administration import MediaAdministration
from ranvier.proto.errors import invalid_param
from ranvier.proto.mxc import Mxc
from ranvier.store import media_lists
from ranvier.store.media import Medium
from ranvier.users.administration import Administration
from ranvier.users.text import is_storable

API: Final = "/_synapse/admin/v1"
_COLUMNS: Final[dict[str, media_lists.Order]] = {
    "media_id": "media_id",
    "upload_name": "upload_name",
    "created_ts": "created_ts",
    "last_access_ts": "last_access_ts",
    "media_length": "size_bytes",
    "media_type": "content_type",
    "quarantined_by": "quarantined_by",
    "safe_from_quarantine": "is_protected",
}


class MediaQuery(Ordered):
    """Which of a user's media, in which order: the newest first, unless an order is named."""

    order_by: Literal[
        "media_id", "upload_name", "created_ts", "last_access_ts", "media_length", "media_type", "quarantined_by",
        "safe_from_quarantine",
    ] = "created_ts"  # fmt: skip


class UserMedium(msgspec.Struct):
    """One upload."""

    media_id: str
    media_type: str
    media_length: int
    upload_name: str | None
    created_ts: int
    last_access_ts: int
    quarantined_by: str | None
    safe_from_quarantine: bool


class UserMediaPage(msgspec.Struct):
    """What the user has uploaded."""

    media: list[UserMedium]
    total: int
    next_token: int | UnsetType = UNSET


class DeletedUserMedia(msgspec.Struct):
    """What is gone."""

    deleted_media: list[str]
    total: Annotated[int, Meta(ge=0)]


class MediaUseQuery(Ordered):
    """Whose media, in which order."""

    order_by: Literal["user_id", "displayname", "media_length", "media_count"] = "user_id"
    from_ts: Time = 0
    until_ts: Time | None = None
    search_term: str | None = None


class MediaUse(msgspec.Struct):
    """What one user has uploaded."""

    user_id: str
    displayname: str | None
    media_count: int
    media_length: int


class MediaUsePage(msgspec.Struct):
    """A part of the list: users who have uploaded anything."""

    users: list[MediaUse]
    total: int
    next_token: int | UnsetType = UNSET


class RoomMediaList(msgspec.Struct):
    """URIs of media of this server, and of others."""

    local: list[str]
    remote: list[str]


class Quarantined(msgspec.Struct):
    """How many are shown to nobody from now on."""

    num_quarantined: int


class AdminMediaGroupsApi:
    """`media_of_room(room_id)`: the media that were seen in a room; 404 for an unknown one."""

    def __init__(
        self,
        *,
        media: MediaAdministration,
        administration: Administration,
        media_of_room: Callable[[str], Awaitable[list[Mxc]]],
    ) -> None:
        self._media = media
        self._administration = administration
        self._media_of_room = media_of_room

    def routes(self) -> list[Route]:
        """The module's routes."""
        of_user = f"{API}/users/{{user_id}}/media"
        of_room = (f"{API}/room/{{room_id}}/media/quarantine", f"{API}/quarantine_media/{{room_id}}")
        return [
            *routes("GET", f"{API}/statistics/users/media", self.use, auth=Auth.ADMIN, query=MediaUseQuery,
                answer=MediaUsePage, summary="What users have uploaded"),
            *routes("GET", of_user, self.list_of_user, auth=Auth.ADMIN, query=MediaQuery, answer=UserMediaPage,
                summary="What a user has uploaded"),
            *routes("DELETE", of_user, self.delete_of_user, auth=Auth.ADMIN, query=MediaQuery,
                answer=DeletedUserMedia, summary="Delete what a user has uploaded, as far as the list would show it"),
            *routes("POST", f"{API}/user/{{user_id}}/media/quarantine", self.quarantine_user, auth=Auth.ADMIN,
                answer=Quarantined, summary="Show to nobody what a user has uploaded"),
            *routes("GET", f"{API}/room/{{room_id}}/media", self.list_of_room, auth=Auth.ADMIN,
                answer=RoomMediaList, summary="The media that were seen in a room"),
            *routes("POST", of_room, self.quarantine_room, auth=Auth.ADMIN, answer=Quarantined,
                summary="Show to nobody the media that were seen in a room"),
        ]  # fmt: skip

    async def use(self, request: Request) -> Response:
        """Only who has uploaded anything."""
        query = request.query(MediaUseQuery)
        if query.until_ts is not None and query.until_ts <= query.from_ts:
            raise invalid_param("until_ts must be later than from_ts")
        if query.search_term is not None and not is_storable(query.search_term):
            raise invalid_param("search_term holds characters that no name has")
        found, total = await media_lists.use_by_user(
            self._media.db,
            order=query.order_by,
            backwards=query.backwards,
            offset=query.offset,
            limit=query.limit,
            from_ts=query.from_ts,
            until_ts=query.until_ts,
            term=query.search_term or None,
        )
        page = MediaUsePage([MediaUse(*row) for row in found], total)
        page.next_token = next_offset(query, len(found), total) or UNSET
        return json_response(page)

    async def list_of_user(self, request: Request) -> Response:
        """404 if there is no such account."""
        query, (media, total) = request.query(MediaQuery), await self._of_user(request)
        shown = [
            UserMedium(
                media_id=medium.media_id,
                media_type=medium.content_type,
                media_length=medium.size_bytes or 0,
                upload_name=medium.upload_name,
                created_ts=medium.created_ts,
                last_access_ts=medium.last_access_ts,
                quarantined_by=medium.quarantined_by,
                safe_from_quarantine=medium.is_protected,
            )
            for medium in media
        ]
        page = UserMediaPage(shown, total)
        page.next_token = next_offset(query, len(shown), total) or UNSET
        return json_response(page)

    async def delete_of_user(self, request: Request) -> Response:
        """404 if there is no such account."""
        media, _ = await self._of_user(request)
        gone = await self._media.delete(media)
        return json_response(DeletedUserMedia(gone, len(gone)))

    async def quarantine_user(self, request: Request) -> Response:
        """404 if there is no such account."""
        user = await self._administration.get(request.params["user_id"])
        count = await self._media.quarantine_user(user.user_id, request.requester.user_id)
        return json_response(Quarantined(count))

    async def list_of_room(self, request: Request) -> Response:
        """Looks at every event of the room."""
        found = await self._media_of_room(request.params["room_id"])
        own = self._media.server_name
        local = [name.uri for name in found if name.server_name == own]
        return json_response(RoomMediaList(local, [name.uri for name in found if name.server_name != own]))

    async def quarantine_room(self, request: Request) -> Response:
        """Looks at every event of the room."""
        found = await self._media_of_room(request.params["room_id"])
        return json_response(Quarantined(await self._media.quarantine(found, request.requester.user_id)))

    async def _of_user(self, request: Request) -> tuple[list[Medium], int]:
        query = request.query(MediaQuery)
        user = await self._administration.get(request.params["user_id"])
        # Without an order the newest come first.
        names = {name for name, _ in request.query_pairs}
        return await media_lists.of_user(
            self._media.db,
            user.user_id,
            order=_COLUMNS[query.order_by],
            backwards=query.backwards if names & {"order_by", "dir"} else True,
            offset=query.offset,
            limit=query.limit,
        )
