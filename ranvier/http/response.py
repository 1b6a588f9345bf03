"""One HTTP response, and the usual ways to make it."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
import orjson

from ranvier.proto.errors import MatrixError

Header = tuple[bytes, bytes]

JSON: Final = b"application/json"
HTML: Final = b"text/html; charset=utf-8"
TEXT: Final = b"text/plain; charset=utf-8"


class Response:
    """Status, type and bytes. `headers` are further headers with lower-case names; `Content-Length` adds itself.

    With `stream` the body is what it yields, and `length_bytes` its length if it is known.
    """

    __slots__ = ("body", "content_type", "headers", "length_bytes", "status", "stream")

    def __init__(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        content_type: bytes = JSON,
        headers: Sequence[Header] = (),
        stream: AsyncIterator[bytes] | None = None,
        length_bytes: int | None = None,
    ) -> None:
        self.body = body
        self.status = status
        self.content_type = content_type
        self.headers = headers
        self.stream = stream
        self.length_bytes = length_bytes


def json_response(obj: Any, status: int = 200, headers: Sequence[Header] = ()) -> Response:
    """`obj` as JSON: dicts and lists (with `orjson.Fragment` for what is JSON already), or a `msgspec.Struct`."""
    return Response(encode_json(obj), status=status, headers=headers)


def json_bytes(body: bytes, status: int = 200, headers: Sequence[Header] = ()) -> Response:
    """JSON that is already encoded."""
    return Response(body, status=status, headers=headers)


class Nothing(msgspec.Struct):
    """What `EMPTY_OBJECT` holds, for the OpenAPI document."""


EMPTY_OBJECT: Final = Response(b"{}")
"""`{}`, the answer of everything that only has to succeed. Shared: do not change it."""


def html_response(html: str, status: int = 200, headers: Sequence[Header] = ()) -> Response:
    """A page."""
    return Response(html.encode(), status=status, content_type=HTML, headers=headers)


def text_response(text: str, status: int = 200, headers: Sequence[Header] = ()) -> Response:
    """Plain text."""
    return Response(text.encode(), status=status, content_type=TEXT, headers=headers)


def redirect_response(location: str, status: int = 302) -> Response:
    """A redirect; `location` must be ASCII."""
    return Response(status=status, content_type=TEXT, headers=[(b"location", location.encode("ascii"))])


def stream_response(
    stream: AsyncIterator[bytes],
    *,
    content_type: bytes,
    length_bytes: int | None = None,
    status: int = 200,
    headers: Sequence[Header] = (),
) -> Response:
    """A body that is sent as it is produced."""
    return Response(status=status, content_type=content_type, headers=headers, stream=stream, length_bytes=length_bytes)


def error_response(error: MatrixError) -> Response:
    """The spec's standard error response for `error`."""
    # User-interactive authentication answers 401 without an errcode until an attempt has failed.
    body = {**({"errcode": error.errcode, "error": error.error} if error.errcode else {}), **error.extra}
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.headers.items()]
    return Response(encode_json(body), status=error.status, headers=headers)


def encode_json(obj: Any) -> bytes:
    """`obj` as JSON bytes.

    Old room versions let integers past 64 bits into events; such an object takes the slow encoder.
    """
    if isinstance(obj, msgspec.Struct):
        return msgspec.json.encode(obj)
    try:
        return orjson.dumps(obj, default=_encode_part)
    except orjson.JSONEncodeError:
        return json.dumps(obj, separators=(",", ":"), default=_encode_part_slowly).encode("ascii")


def _encode_part(part: Any) -> Any:
    if isinstance(part, msgspec.Struct):
        return orjson.Fragment(msgspec.json.encode(part))
    if isinstance(part, msgspec.Raw):
        return orjson.Fragment(bytes(part))
    raise TypeError(f"{type(part).__name__} is not JSON")


def _encode_part_slowly(part: Any) -> Any:
    if isinstance(part, msgspec.Struct | msgspec.Raw):
        return json.loads(msgspec.json.encode(part))
    if isinstance(part, orjson.Fragment):
        return json.loads(orjson.dumps(part))
    raise TypeError(f"{type(part).__name__} is not JSON")
