"""Third-party identifiers: e-mail addresses in the one form in which they are kept and compared.

Spec: appendices, "3PID Types"; identity service API, "Client behaviour" (addresses are case-folded). Pure.
"""

import re
from typing import Final

EMAIL: Final = "email"
MSISDN: Final = "msisdn"

_ADDRESS: Final = re.compile(
    r"[^\s@\x00-\x20\x7f<>()\[\],;:\"\\\ud800-\udfff]+@[^\s@\x00-\x20\x7f<>(),;\"\\\ud800-\udfff]+"
)
_LENGTH: Final = 254
"""RFC 5321, section 4.5.3.1.3."""


def canonical_email(address: str) -> str:
    """The address in its one form. Raises `ValueError` for what is none.

    Mail goes to this form too, never to another spelling: two addresses that fold to one must not prove each other.
    """
    folded = address.strip().casefold()
    if len(folded.encode("utf-8", "replace")) > _LENGTH or _ADDRESS.fullmatch(folded) is None:
        raise ValueError("not an e-mail address")
    return folded


def canonical(medium: str, address: str) -> str:
    """An identifier of any medium in its one form; what is none stays as it is."""
    if medium != EMAIL:
        return address
    try:
        return canonical_email(address)
    except ValueError:
        return address
