"""Unpadded base64, the way Matrix writes binary values in JSON.

Spec: appendices, "Unpadded Base64".
"""

from binascii import Error, a2b_base64, b2a_base64
from typing import Final

_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")


def encode_base64(value: bytes) -> str:
    """Standard alphabet, without padding."""
    return b2a_base64(value, newline=False).rstrip(b"=").decode("ascii")


def encode_base64_urlsafe(value: bytes) -> str:
    """URL-safe alphabet, without padding."""
    return b2a_base64(value, newline=False).translate(_URLSAFE, b"=").decode("ascii")


def decode_base64(text: object) -> bytes | None:
    """Either alphabet, with or without padding; `None` for anything else."""
    if not isinstance(text, str):
        return None
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(standard + "=" * (-len(standard) % 4), strict_mode=True)
    except (Error, ValueError):
        return None
