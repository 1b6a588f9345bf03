"""Our media for other servers. Spec: server-server API, "Content Repository"."""

from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from ranvier.http.request import Request
from ranvier.http.response import Response, stream_response
from ranvier.http.route import Auth, Route, routes
from ranvier.media.file_store import OpenFile, read_on
from ranvier.media.library import DEFAULT_WAIT_MS, Library, Wish
from ranvier.media.threads import MediaThreads
from ranvier.media.thumbnails import Thumbnails
from ranvier.ports import Random
from ranvier.proto.content_disposition import write_disposition
from ranvier.proto.multipart_mixed import write_frame
from ranvier.proto.mxc import Mxc

_BOUNDARY_BYTES: Final = 16
Pixels = Annotated[int, Meta(ge=1, le=65_535)]


class FederationMediaQuery(msgspec.Struct):
    """How long to wait for what is not uploaded yet."""

    timeout_ms: Annotated[int, Meta(ge=0, le=(1 << 53))] = DEFAULT_WAIT_MS


class FederationThumbnailQuery(FederationMediaQuery, kw_only=True):
    """How large, and whether it may move."""

    width: Pixels
    height: Pixels
    method: Literal["crop", "scale"] = "scale"
    animated: bool = False


class FederationMediaApi:
    """Serves files to servers."""

    def __init__(self, *, library: Library, thumbnails: Thumbnails, threads: MediaThreads, random: Random) -> None:
        self._library = library
        self._thumbnails = thumbnails
        self._threads = threads
        self._random = random

    def routes(self) -> list[Route]:
        """The module's routes."""
        api = "/_matrix/federation/v1/media"
        return [
            *routes("GET", f"{api}/download/{{media_id}}", self.download, auth=Auth.FEDERATION, resource="media",
                query=FederationMediaQuery, spec="getContent", summary="A file of this server"),
            *routes("GET", f"{api}/thumbnail/{{media_id}}", self.thumbnail, auth=Auth.FEDERATION, resource="media",
                query=FederationThumbnailQuery, spec="getContentThumbnail", summary="A picture, made smaller"),
        ]  # fmt: skip

    async def download(self, request: Request) -> Response:
        """Only ours: servers fetch others' from those."""
        wish = self._wish(request, request.query(FederationMediaQuery))
        medium, opened = await self._library.open(await self._library.find(wish), wish)
        return multipart_response(
            opened, self._threads, self._random, content_type=medium.content_type, file_name=medium.upload_name
        )

    async def thumbnail(self, request: Request) -> Response:
        """Of a picture of ours."""
        query = request.query(FederationThumbnailQuery)
        medium = await self._library.present(self._wish(request, query))
        found = await self._thumbnails.get(medium, query.width, query.height, query.method, animated=query.animated)
        file_name = f"thumbnail.{found.content_type.partition('/')[2]}"
        return multipart_response(
            found.opened, self._threads, self._random, content_type=found.content_type, file_name=file_name
        )

    def _wish(self, request: Request, query: FederationMediaQuery) -> Wish:
        name = Mxc(self._library.server_name, request.params["media_id"])
        return Wish(name=name, has_token=True, wait_ms=query.timeout_ms)


def multipart_response(
    opened: OpenFile, threads: MediaThreads, random: Random, *, content_type: str, file_name: str | None
) -> Response:
    """The file as the second of two parts; it is closed when it has been sent."""
    boundary = random.token_bytes(_BOUNDARY_BYTES).hex()
    before, after = write_frame(boundary, content_type, write_disposition(content_type, file_name))
    return stream_response(
        _framed(before, opened, after, threads),
        content_type=f"multipart/mixed; boundary={boundary}".encode(),
        length_bytes=len(before) + opened.size_bytes + len(after),
    )


async def _framed(before: bytes, opened: OpenFile, after: bytes, threads: MediaThreads) -> AsyncIterator[bytes]:
    try:
        yield before
        async for piece in read_on(threads, opened, 0, opened.size_bytes):
            yield piece
        yield after
    finally:
        opened.file.close()
