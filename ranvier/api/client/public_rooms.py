"""The published directory. Spec: client-server API, "Published room directory"."""

from typing import Literal

import msgspec

from ranvier.api.client.room_summary_json import PublishedRoom, published_room
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import invalid_param
from ranvier.proto.ids import is_server_name
from ranvier.rooms import remote_rooms
from ranvier.rooms.public_rooms import PublicRooms
from ranvier.rooms.remote_rooms import DirectoryPage
from ranvier.users.suspension import check_active

Visibility = Literal["private", "public"]


class Published(msgspec.Struct):
    """Whether a room is in the directory."""

    visibility: Visibility = "public"


class ServerQuery(msgspec.Struct):
    """Whose directory is asked for."""

    server: str | None = None


class DirectoryQuery(ServerQuery):
    """Which part of a directory."""

    limit: int | None = None
    since: str | None = None


class Filter(msgspec.Struct):
    """Which rooms."""

    generic_search_term: str | None = None
    room_types: list[str | None] | None = None


class DirectorySearch(msgspec.Struct):
    """The body of a search."""

    limit: int | None = None
    since: str | None = None
    filter: Filter | None = None
    include_all_networks: bool | None = None
    third_party_instance_id: str | None = None


class Directory(msgspec.Struct, omit_defaults=True):
    """A page of the directory."""

    chunk: list[PublishedRoom]
    total_room_count_estimate: int
    next_batch: str | None = None
    prev_batch: str | None = None


class PublicRoomsApi:
    """Shows the directory and changes it."""

    def __init__(self, *, public_rooms: PublicRooms, server_name: str, without_auth: bool) -> None:
        self._public_rooms = public_rooms
        self._server_name = server_name
        self._auth = Auth.OPTIONAL if without_auth else Auth.USER

    def routes(self) -> list[Route]:
        """The module's routes."""
        entry = paths("/directory/list/room/{room_id}")
        return [
            *routes(
                "GET", paths("/publicRooms"), self.list, auth=self._auth, guest=True, query=DirectoryQuery,
                answer=Directory, spec="getPublicRooms", summary="The published rooms",
            ),
            *routes(
                "POST", paths("/publicRooms"), self.search, auth=self._auth, guest=True, query=ServerQuery,
                body=DirectorySearch, answer=Directory, spec="queryPublicRooms", summary="Search the published rooms",
            ),
            *routes(
                "GET", entry, self.get_visibility, auth=Auth.NONE, answer=Published,
                spec="getRoomVisibilityOnDirectory", summary="Whether a room is published",
            ),
            *routes(
                "PUT", entry, self.set_visibility, auth=Auth.USER, body=Published, answer=dict,
                spec="setRoomVisibilityOnDirectory", summary="Publish a room, or no longer",
            ),
        ]  # fmt: skip

    async def list(self, request: Request) -> Response:
        """A page of the directory."""
        query = request.query(DirectoryQuery)
        return await self._page(query.server, DirectorySearch(limit=query.limit, since=query.since))

    async def search(self, request: Request) -> Response:
        """A page of what the client looks for."""
        return await self._page(request.query(ServerQuery).server, request.json(DirectorySearch))

    async def get_visibility(self, request: Request) -> Response:
        """Whether a room is in the directory."""
        published = await self._public_rooms.is_published(request.params["room_id"])
        return json_response(Published("public" if published else "private"))

    async def set_visibility(self, request: Request) -> Response:
        """Put a room into the directory, or take it out."""
        check_active(request.requester)
        published = request.json(Published).visibility == "public"
        await self._public_rooms.publish(request.requester, request.params["room_id"], published=published)
        return EMPTY_OBJECT

    async def _page(self, server: str | None, body: DirectorySearch) -> Response:
        search = search_of(body)
        if server is None or server == self._server_name:
            return answer_page(await self._public_rooms.page(search))
        if not is_server_name(server):
            raise invalid_param("server: not a server name")
        return answer_page(await self._public_rooms.page_of(server, search))


def search_of(body: DirectorySearch) -> remote_rooms.DirectorySearch:
    """What the body asks for. Raises 400 `M_INVALID_PARAM`."""
    if body.limit is not None and body.limit < 0:
        raise invalid_param("limit: cannot be negative")
    wanted = body.filter or Filter()
    return remote_rooms.DirectorySearch(
        since=body.since,
        limit=body.limit,
        term=wanted.generic_search_term,
        room_types=wanted.room_types,
        include_all_networks=body.include_all_networks,
        third_party_instance_id=body.third_party_instance_id,
    )


def answer_page(page: DirectoryPage) -> Response:
    """The page as JSON."""
    return json_response(
        Directory([published_room(room) for room in page.rooms], page.total, page.next_batch, page.prev_batch)
    )
