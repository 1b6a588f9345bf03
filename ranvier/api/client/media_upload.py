"""`/media/upload`, `/media/create`, `/media/config`. Spec: client-server API, "Content repository"."""

import msgspec

from ranvier.api.client.media_download import LEGACY
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Route, paths, routes
from ranvier.media.uploads import OCTETS, Upload, Uploads
from ranvier.proto.mxc import Mxc


class UploadQuery(msgspec.Struct):
    """What the file is called."""

    filename: str | None = None


class Uploaded(msgspec.Struct):
    """Where it is."""

    content_uri: str


class Created(msgspec.Struct):
    """Where it will be, if it is uploaded in time."""

    content_uri: str
    unused_expires_at: int


class UploadConfig(msgspec.Struct):
    """How large uploads may be, in bytes."""

    upload_size: int = msgspec.field(name="m.upload.size")


class MediaUploadApi:
    """Takes files."""

    def __init__(self, *, uploads: Uploads, max_upload_bytes: int) -> None:
        self._uploads = uploads
        self._max_upload_bytes = max_upload_bytes

    def routes(self) -> list[Route]:
        """The module's routes."""
        config = ("/_matrix/client/v1/media/config", *paths("/config", versions=LEGACY, api="media"))
        return [
            *routes("GET", config, self.config, resource="media", answer=UploadConfig, spec="getConfigAuthed",
                summary="How large uploads may be"),
            *routes("POST", paths("/upload", versions=LEGACY, api="media"), self.upload, resource="media",
                stream=True, body_limit_bytes=self._max_upload_bytes, query=UploadQuery, answer=Uploaded,
                spec="uploadContent", summary="Upload a file"),
            *routes("PUT", "/_matrix/media/v3/upload/{server_name}/{media_id}", self.fill, resource="media",
                stream=True, body_limit_bytes=self._max_upload_bytes, query=UploadQuery, answer=Nothing,
                spec="uploadContentToMXC", summary="Upload the file for a URI that was created before"),
            *routes("POST", "/_matrix/media/v1/create", self.create, resource="media", limit="rc_media_create",
                answer=Created, spec="createContent", summary="A URI for a file that is uploaded later"),
        ]  # fmt: skip

    async def config(self, request: Request) -> Response:
        """The same for everybody."""
        return json_response(UploadConfig(self._max_upload_bytes))

    async def create(self, request: Request) -> Response:
        """A name without content."""
        name, expires_ts = await self._uploads.create(request.requester)
        return json_response(Created(name.uri, expires_ts))

    async def upload(self, request: Request) -> Response:
        """Name and content at once."""
        name = await self._uploads.upload(request.requester, _upload(request))
        return json_response(Uploaded(name.uri))

    async def fill(self, request: Request) -> Response:
        """Content for a name."""
        name = Mxc(request.params["server_name"], request.params["media_id"])
        await self._uploads.fill(request.requester, name, _upload(request))
        return EMPTY_OBJECT


def _upload(request: Request) -> Upload:
    announced = request.headers.get("content-length", "")
    return Upload(
        chunks=request.stream(),
        announced_bytes=int(announced) if announced.isascii() and announced.isdigit() else None,
        content_type=request.headers.get("content-type", OCTETS),
        file_name=request.query(UploadQuery).filename or None,
    )
