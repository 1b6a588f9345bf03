"""The `Authorization` header by which servers sign their requests.

Spec: server-server API, "Request Authentication"; RFC 9110, sections 5.6.2, 5.6.4 and 11.4.
"""

import re
from dataclasses import dataclass
from typing import Final

from ranvier.proto.canonical_json import encode_checked
from ranvier.proto.signing import SigningKey

_SCHEME: Final = re.compile(r"X-Matrix[ ]+", re.IGNORECASE)
# A token of RFC 9110, and for older servers the colon; a signature in base64 also comes without quotes.
_PARAMETER: Final = re.compile(
    r"""[ \t,]*(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*"""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[!#$%&'*+\-.^_`|~0-9A-Za-z:/=]+))[ \t]*(?:,|$)"""
)
_BLANK: Final = re.compile(r"[ \t,]*$")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_NEEDED: Final = frozenset({"origin", "key", "sig"})
_KNOWN: Final = _NEEDED | {"destination"}
MAX_HEADER_CHARS: Final = 2048
"""A server name has at most 255, a signature 86."""


@dataclass(frozen=True, slots=True)
class XMatrix:
    """One signature of one request."""

    origin: str
    destination: str | None
    """`None` from servers older than v1.3 of the spec."""
    key_id: str
    signature: str


class MalformedXMatrix(ValueError):
    """Not a header of the scheme; the text says why, for people."""


def is_x_matrix(header: str) -> bool:
    """Whether the header is of this scheme at all."""
    return _SCHEME.match(header) is not None


def parse_x_matrix(header: str) -> XMatrix:
    """The parameters of a header. Raises `MalformedXMatrix`."""
    scheme = _SCHEME.match(header)
    if scheme is None:
        raise MalformedXMatrix("not of the scheme X-Matrix")
    if len(header) > MAX_HEADER_CHARS:
        raise MalformedXMatrix("too long")
    values = _parameters(header, scheme.end())
    missing = _NEEDED - values.keys()
    if missing:
        raise MalformedXMatrix(f"no {min(missing)}")
    return XMatrix(
        origin=values["origin"],
        destination=values.get("destination"),
        key_id=values["key"],
        signature=values["sig"],
    )


def _parameters(header: str, start: int) -> dict[str, str]:
    """Known parameters by lower-case name. Of none there may be two: it would be a matter of taste which counts."""
    values: dict[str, str] = {}
    while _BLANK.match(header, start) is None:
        found = _PARAMETER.match(header, start)
        if found is None:
            raise MalformedXMatrix("not a list of name=value")
        start = found.end()
        name = found["name"].lower()
        if name not in _KNOWN:
            continue
        if name in values:
            raise MalformedXMatrix(f"{name} stands twice")
        quoted = found["quoted"]
        values[name] = found["token"] if quoted is None else _ESCAPED.sub(r"\1", quoted)
    return values


def request_bytes(*, method: str, uri: str, origin: str, destination: str, content: bytes | None) -> bytes:
    """What is signed: canonical JSON, if `content` (`None`: there is no body) is.

    Servers that do not name the destination in the header sign it all the same. The keys stand in their order already, so that `content` is copied and not encoded again.
    """
    body = b"" if content is None else b'"content":' + content + b","
    rest = {"destination": destination, "method": method, "origin": origin, "uri": uri}
    return b"{" + body + encode_checked(rest)[1:]


def x_matrix_header(
    *, method: str, uri: str, origin: str, destination: str, content: bytes | None, key: SigningKey
) -> str:
    """The header for a request of ours. `content` is canonical JSON."""
    signed = request_bytes(method=method, uri=uri, origin=origin, destination=destination, content=content)
    return f'X-Matrix origin="{origin}",destination="{destination}",key="{key.key_id}",sig="{key.sign(signed)}"'
