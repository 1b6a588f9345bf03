"""`/media/download`, with and without authentication. Spec: client-server API, "Content repository"."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ranvier.api.media_file import file_response
from ranvier.http.request import Request
from ranvier.http.response import Response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.media.library import DEFAULT_WAIT_MS, Library, Wish
from ranvier.media.threads import MediaThreads
from ranvier.proto.mxc import Mxc

LEGACY = ("r0", "v1", "v3")
Milliseconds = Annotated[int, Meta(ge=0, le=(1 << 53))]


class DownloadQuery(msgspec.Struct):
    """How long to wait, and for administrators, whether to show what is quarantined."""

    timeout_ms: Milliseconds = DEFAULT_WAIT_MS
    admin_unsafely_bypass_quarantine: bool = False


class LegacyQuery(msgspec.Struct):
    """How long to wait, and whether another server may be asked. Nobody is ever redirected."""

    timeout_ms: Milliseconds = DEFAULT_WAIT_MS
    allow_remote: bool = True
    allow_redirect: bool = False


class MediaDownloadApi:
    """Serves files."""

    def __init__(self, *, library: Library, threads: MediaThreads) -> None:
        self._library = library
        self._threads = threads

    def routes(self) -> list[Route]:
        """The module's routes."""
        new = "/_matrix/client/v1/media/download/{server_name}/{media_id}"
        old = paths("/download/{server_name}/{media_id}", versions=LEGACY, api="media")
        return [
            *routes("GET", new, self.download, resource="media", guest=True, query=DownloadQuery,
                spec="getContentAuthed", summary="A file"),
            *routes("GET", f"{new}/{{file_name}}", self.download, resource="media", guest=True, query=DownloadQuery,
                spec="getContentOverrideNameAuthed", summary="A file, by another name"),
            *routes("GET", old, self.legacy, auth=Auth.NONE, resource="media", query=LegacyQuery,
                spec="getContent", summary="A file from before authentication was needed"),
            *routes("GET", tuple(f"{path}/{{file_name}}" for path in old), self.legacy, auth=Auth.NONE,
                resource="media", query=LegacyQuery, spec="getContentOverrideName",
                summary="A file from before authentication was needed, by another name"),
        ]  # fmt: skip

    async def download(self, request: Request) -> Response:
        """For those who are logged in."""
        query = request.query(DownloadQuery)
        wish = Wish(
            name=_name(request),
            has_token=True,
            wait_ms=query.timeout_ms,
            ignores_quarantine=query.admin_unsafely_bypass_quarantine and request.requester.is_admin,
            client_ip=request.client_ip,
        )
        return await self._file(request, wish)

    async def legacy(self, request: Request) -> Response:
        """For everybody."""
        query = request.query(LegacyQuery)
        wish = Wish(
            name=_name(request),
            has_token=False,
            wait_ms=query.timeout_ms,
            allows_remote=query.allow_remote,
            client_ip=request.client_ip,
        )
        return await self._file(request, wish)

    async def _file(self, request: Request, wish: Wish) -> Response:
        medium, opened = await self._library.open(await self._library.find(wish), wish)
        return file_response(
            request,
            self._threads,
            opened,
            content_type=medium.content_type,
            file_name=request.params.get("file_name") or medium.upload_name,
            tag=medium.file_id,
            is_public=not wish.has_token,
        )


def _name(request: Request) -> Mxc:
    return Mxc(request.params["server_name"], request.params["media_id"])
