"""How large things may be.

Spec: client-server API, "Size limits"; server-server API, schemas of the PDUs; appendices, "Identifier Grammar".
"""

from typing import Final

MAX_EVENT_BYTES: Final = 65_536
"""Of a whole event in its federation form, signatures included, as canonical JSON."""
MAX_NAME_BYTES: Final = 255
"""Of every identifier, and of `type` and `state_key`; bytes of UTF-8, sigil and server name included."""
MAX_PREV_EVENTS: Final = 20
MAX_AUTH_EVENTS: Final = 10
MAX_STRICT_INTEGER: Final = 2**53 - 1
MAX_INT64: Final = 2**63 - 1
MAX_NESTING: Final = 200
"""Levels of objects and arrays within each other.

The spec sets no limit, but every implementation has one; ours is below the smallest of the libraries that we use, so
that what has been accepted once can always be encoded again.
"""


def is_too_long(name: str) -> bool:
    """Whether a name has more than `MAX_NAME_BYTES`. Raises `UnicodeEncodeError` for lone surrogates."""
    # No character has more than four bytes.
    return len(name) > 63 and (len(name) if name.isascii() else len(name.encode())) > MAX_NAME_BYTES
