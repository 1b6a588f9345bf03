"""A file of the content repository as an answer: its headers, a part of it, or that nothing has changed.

Spec: client-server API, "Content repository"; RFC 9110, "Range Requests". Media never change, so that whoever has one
may keep it.
"""

import re
from typing import Final

from ranvier.http.request import Request
from ranvier.http.response import Header, Response, stream_response
from ranvier.media.file_store import OpenFile, read_on
from ranvier.media.threads import MediaThreads
from ranvier.proto.content_disposition import write_disposition
from ranvier.proto.errors import MatrixError

_SAFE: Final[tuple[Header, ...]] = (
    (
        b"content-security-policy",
        b"sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline';"
        b" object-src 'self';",
    ),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow, noarchive, noimageindex"),
    (b"accept-ranges", b"bytes"),
)
_PUBLIC: Final = b"public, max-age=86400, immutable"
_PRIVATE: Final = b"private, max-age=86400, immutable"
_range = re.compile(r"bytes=(\d{0,18})-(\d{0,18})").fullmatch


class _Unsatisfiable(Exception):
    """The file ends before the part begins."""


def file_response(
    request: Request,
    threads: MediaThreads,
    opened: OpenFile,
    *,
    content_type: str,
    file_name: str | None,
    tag: str,
    is_public: bool,
) -> Response:
    """The file, which is closed when it has been sent. `tag` names its content, for ever."""
    etag = f'"{tag}"'
    headers: list[Header] = [
        *_SAFE,
        (b"cache-control", _PUBLIC if is_public else _PRIVATE),
        (b"etag", etag.encode()),
        (b"content-disposition", write_disposition(content_type, file_name).encode()),
    ]
    type_bytes = content_type.encode()
    if _knows(request.headers.get("if-none-match", ""), etag):
        opened.file.close()
        return Response(status=304, content_type=type_bytes, headers=headers)
    try:
        part = _part(request, opened.size_bytes, etag)
    except _Unsatisfiable:
        opened.file.close()
        raise MatrixError(
            416, "M_UNKNOWN", "The file is not so long", headers={"Content-Range": f"bytes */{opened.size_bytes}"}
        ) from None
    start, length, status = 0, opened.size_bytes, 200
    if part is not None:
        start, length = part
        status = 206
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, start + length - 1, opened.size_bytes)))
    if start + length <= len(opened.first) or request.method == "HEAD":
        opened.file.close()
        if request.method != "HEAD":
            body = opened.first[start : start + length]
            return Response(body, status=status, content_type=type_bytes, headers=headers)
        return stream_response(
            read_on(threads, opened, 0, 0), content_type=type_bytes, length_bytes=length, status=status, headers=headers
        )
    return stream_response(
        read_on(threads, opened, start, length),
        content_type=type_bytes,
        length_bytes=length,
        status=status,
        headers=headers,
    )


def _knows(header: str, etag: str) -> bool:
    return bool(header) and (
        header.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in header.split(","))
    )


def _part(request: Request, size_bytes: int, etag: str) -> tuple[int, int] | None:
    """Start and length of the one part that was asked for; `None` for all of it, also where the wish makes no sense."""
    wish = _range(request.headers.get("range", "").replace(" ", ""))
    if wish is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = wish.groups()
    if not first and not last:
        return None
    start = int(first) if first else max(0, size_bytes - int(last))
    end = min(int(last), size_bytes - 1) if first and last else size_bytes - 1
    if start >= size_bytes or (not first and int(last) == 0):
        raise _Unsatisfiable
    if end < start:
        return None
    return start, end - start + 1
