"""Fetching media from the servers that they belong to. Spec: server-server API, "Content Repository".

Servers that do not know the endpoint of v1.11 yet are asked as the specification says, without letting them ask others.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.paths import path
from ranvier.media.remote import Incoming
from ranvier.media.uploads import OCTETS
from ranvier.ports import FederationStream, FederationUnreachable, WebTransport
from ranvier.proto.content_disposition import read_file_name
from ranvier.proto.errors import MatrixError, limit_exceeded, not_found
from ranvier.proto.multipart_mixed import MixedReader, NotMultipart, Piece, boundary_of
from ranvier.proto.mxc import Mxc

TIMEOUT_S: Final = 120.0
"""For the whole of a file, the wait for its upload not counted."""
_ANY_SIZE: Final = 1 << 62
"""Who stores it counts."""
_RETRY_MS: Final = 5_000


class MediaAsking:
    """Implements `ranvier.media.remote.Origins`."""

    def __init__(self, *, client: FederationClient, web: WebTransport) -> None:
        self._client = client
        self._web = web

    @asynccontextmanager
    async def fetch(self, name: Mxc, *, wait_ms: int) -> AsyncIterator[Incoming]:
        """A medium, while the context is open. Raises `MatrixError`."""
        try:
            async with self._newer(name, wait_ms) as incoming:
                yield incoming
                return
        except RemoteError as error:
            if not _is_unrecognized(error):
                raise _told(error) from error
        except (Unreachable, FederationUnreachable, NotMultipart) as error:
            raise _unreachable(name) from error
        try:
            async with self._older(name, wait_ms) as incoming:
                yield incoming
        except RemoteError as error:
            raise _told(error) from error
        except (Unreachable, FederationUnreachable) as error:
            raise _unreachable(name) from error

    @asynccontextmanager
    async def _newer(self, name: Mxc, wait_ms: int) -> AsyncIterator[Incoming]:
        """From the endpoint for servers."""
        target = path("v1", "media", "download", name.media_id)
        async with self._client.stream(
            name.server_name,
            target,
            query=[("timeout_ms", str(wait_ms))],
            timeout_s=TIMEOUT_S + wait_ms / 1000,
            limit_bytes=_ANY_SIZE,
        ) as answer:
            boundary = boundary_of(answer.headers.get("content-type", ""))
            if boundary is None:
                raise NotMultipart("no multipart/mixed")
            pieces = _pieces(answer, MixedReader(boundary))
            headers = await _second_head(pieces)
            location = headers.get("location")
            if not location:
                yield _incoming(headers, _contents(pieces))
                return
        async with self._web.get(location, headers={}, timeout_s=TIMEOUT_S, limit_bytes=_ANY_SIZE) as answer:
            if answer.status != 200:
                raise Unreachable(f"{location[:200]} answers {answer.status}")
            yield _incoming({**answer.headers, **headers}, answer.chunks)

    @asynccontextmanager
    async def _older(self, name: Mxc, wait_ms: int) -> AsyncIterator[Incoming]:
        """From the endpoint for everybody."""
        target = f"/_matrix/media/v3/download/{quote(name.server_name, safe='')}/{quote(name.media_id, safe='')}"
        async with self._client.stream(
            name.server_name,
            target,
            query=[("allow_remote", "false"), ("timeout_ms", str(wait_ms))],
            timeout_s=TIMEOUT_S + wait_ms / 1000,
            limit_bytes=_ANY_SIZE,
        ) as answer:
            yield _incoming(answer.headers, answer.chunks)


def _incoming(headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> Incoming:
    length = headers.get("content-length", "")
    # What is compressed under way has another length.
    is_known = length.isascii() and length.isdigit() and len(length) < 16 and "content-encoding" not in headers
    return Incoming(
        content_type=headers.get("content-type") or OCTETS,
        file_name=read_file_name(headers.get("content-disposition", "")),
        size_bytes=int(length) if is_known else None,
        chunks=chunks,
    )


async def _pieces(answer: FederationStream, reader: MixedReader) -> AsyncIterator[Piece]:
    async for chunk in answer.chunks:
        for piece in reader.feed(chunk):
            yield piece
    if not reader.is_complete:
        raise NotMultipart("the end is missing")


async def _second_head(pieces: AsyncIterator[Piece]) -> Mapping[str, str]:
    """The headers of the second part: the first holds only what is not needed."""
    heads = 0
    async for piece in pieces:
        if not isinstance(piece, bytes):
            heads += 1
            if heads == 2:
                return piece
    raise NotMultipart("there is no second part")


async def _contents(pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        if not isinstance(piece, bytes):
            raise NotMultipart("there is a third part")
        yield piece


def _is_unrecognized(error: RemoteError) -> bool:
    return error.status in (404, 405) and error.errcode == "M_UNRECOGNIZED"


def _told(error: RemoteError) -> MatrixError:
    """What our client learns of the other server's refusal."""
    if error.status == 504 and error.errcode == "M_NOT_YET_UPLOADED":
        return MatrixError(504, "M_NOT_YET_UPLOADED", "The content has not been uploaded yet")
    if error.status == 429:
        return limit_exceeded(error.retry_after_ms or _RETRY_MS)
    if error.errcode == "M_TOO_LARGE":
        return MatrixError(502, "M_TOO_LARGE", "The remote content is too large")
    if error.status in (401, 403, 404):
        return not_found("Media not found")
    return MatrixError(502, "M_UNKNOWN", "The remote server could not serve the content")


def _unreachable(name: Mxc) -> MatrixError:
    return MatrixError(502, "M_UNKNOWN", f"The content could not be fetched from {name.server_name}")
