"""The header `Content-Disposition`: what a file is called, and whether it may be shown. RFC 6266, RFC 8187.

Spec: client-server API, "Serving inline content".
"""

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

MAX_FILE_NAME_LENGTH: Final = 1024
INLINE: Final = frozenset(
    {
        "text/css", "text/plain", "text/csv", "application/json", "application/ld+json", "image/jpeg", "image/gif",
        "image/png", "image/apng", "image/webp", "image/avif", "video/mp4", "video/webm", "video/ogg",
        "video/quicktime", "audio/mp4", "audio/webm", "audio/aac", "audio/mpeg", "audio/ogg", "audio/wave", "audio/wav",
        "audio/x-wav", "audio/x-pn-wav", "audio/flac", "audio/x-flac",
    }
)  # fmt: skip
"""What a browser shows without running any of it."""

_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_PARAMETER: Final = re.compile(r';\s*([A-Za-z0-9!#$&+.^_`|~*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))', re.DOTALL)
_ATTR_CHAR: Final = "!#$&+-.^_`|~"


def essence(content_type: str) -> str:
    """`text/html` of `Text/HTML; charset=utf-8`."""
    return content_type.partition(";")[0].strip().lower()


def write_disposition(content_type: str, file_name: str | None) -> str:
    """The header of a file of this type. ASCII, whatever the file is called."""
    kind = "inline" if essence(content_type) in INLINE else "attachment"
    if not file_name:
        return kind
    if _token(file_name):
        return f"{kind}; filename={file_name}"
    if file_name.isascii() and file_name.isprintable():
        escaped = file_name.replace("\\", "\\\\").replace('"', '\\"')
        return f'{kind}; filename="{escaped}"'
    return f"{kind}; filename*=utf-8''{quote(file_name, safe=_ATTR_CHAR)}"


def read_file_name(header: str) -> str | None:
    """What another server calls a file; `None` if it does not say, or says what is no name."""
    plain = None
    for name, quoted, bare in _PARAMETER.findall(header):
        match name.lower():
            case "filename*":
                extended = _extended(bare.strip())
                if extended:
                    return extended[:MAX_FILE_NAME_LENGTH]
            case "filename" if plain is None:
                plain = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare.strip()
    return _as_utf8(plain)[:MAX_FILE_NAME_LENGTH] or None if plain else None


def _extended(value: str) -> str | None:
    charset, first, rest = value.partition("'")
    _, second, encoded = rest.partition("'")
    if not first or not second or charset.lower() not in ("utf-8", "iso-8859-1"):
        return None
    try:
        return unquote_to_bytes(encoded).decode(charset)
    except UnicodeDecodeError:
        return None


def _as_utf8(text: str) -> str:
    """Headers are read as Latin-1; names beyond that are mostly sent as they are, in UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
