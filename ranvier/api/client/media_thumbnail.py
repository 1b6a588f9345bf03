"""`/media/thumbnail`, with and without authentication. Spec: client-server API, "Thumbnails"."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ranvier.api.client.media_download import LEGACY, Milliseconds
from ranvier.api.media_file import file_response
from ranvier.http.request import Request
from ranvier.http.response import Response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.media.library import DEFAULT_WAIT_MS, Library, Wish
from ranvier.media.threads import MediaThreads
from ranvier.media.thumbnails import Thumbnails
from ranvier.proto.mxc import Mxc

Pixels = Annotated[int, Meta(ge=1, le=65_535)]


class ThumbnailQuery(msgspec.Struct):
    """How large, and whether it may move."""

    width: Pixels
    height: Pixels
    method: Literal["crop", "scale"] = "scale"
    animated: bool = False
    timeout_ms: Milliseconds = DEFAULT_WAIT_MS


class LegacyThumbnailQuery(ThumbnailQuery):
    """Also whether another server may be asked. Nobody is ever redirected."""

    allow_remote: bool = True
    allow_redirect: bool = False


class MediaThumbnailApi:
    """Serves thumbnails."""

    def __init__(self, *, library: Library, thumbnails: Thumbnails, threads: MediaThreads) -> None:
        self._library = library
        self._thumbnails = thumbnails
        self._threads = threads

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", "/_matrix/client/v1/media/thumbnail/{server_name}/{media_id}", self.thumbnail,
                resource="media", guest=True, query=ThumbnailQuery, spec="getContentThumbnailAuthed",
                summary="A picture, made smaller"),
            *routes("GET", paths("/thumbnail/{server_name}/{media_id}", versions=LEGACY, api="media"), self.legacy,
                auth=Auth.NONE, resource="media", query=LegacyThumbnailQuery, spec="getContentThumbnail",
                summary="A picture from before authentication was needed, made smaller"),
        ]  # fmt: skip

    async def thumbnail(self, request: Request) -> Response:
        """For those who are logged in."""
        query = request.query(ThumbnailQuery)
        return await self._answer(request, query, has_token=True, allows_remote=True)

    async def legacy(self, request: Request) -> Response:
        """For everybody."""
        query = request.query(LegacyThumbnailQuery)
        return await self._answer(request, query, has_token=False, allows_remote=query.allow_remote)

    async def _answer(
        self, request: Request, query: ThumbnailQuery, *, has_token: bool, allows_remote: bool
    ) -> Response:
        wish = Wish(
            name=Mxc(request.params["server_name"], request.params["media_id"]),
            has_token=has_token,
            wait_ms=query.timeout_ms,
            allows_remote=allows_remote,
            client_ip=request.client_ip,
        )
        medium = await self._library.present(wish)
        found = await self._thumbnails.get(medium, query.width, query.height, query.method, animated=query.animated)
        return file_response(
            request,
            self._threads,
            found.opened,
            content_type=found.content_type,
            file_name=f"thumbnail.{found.content_type.partition('/')[2]}",
            tag=found.tag,
            is_public=not has_token,
        )
