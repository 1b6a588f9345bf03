"""What most messages between devices are: encrypted with Olm. Pure.

Spec: client-server API, "`m.olm.v1.curve25519-aes-sha2`". A request of these can be read without making objects of all that
is in it, and what is written from it is as clean as if it had been.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType


class _Ciphertext(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    type: Annotated[int, msgspec.Meta(ge=0, le=9)]
    body: str


class OlmContent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The content of one message."""

    algorithm: str
    ciphertext: dict[str, _Ciphertext]
    sender_key: str
    message_id: str | UnsetType = msgspec.field(default=UNSET, name="org.matrix.msgid")


class _OlmMessages(msgspec.Struct, forbid_unknown_fields=True):
    messages: dict[str, dict[str, OlmContent]]


_DECODER = msgspec.json.Decoder(_OlmMessages)


def parse_olm(body: bytes) -> dict[str, dict[str, OlmContent]] | None:
    """By user and device the content; `None` if there is anything else in the request, or anything wrong with it."""
    try:
        return _DECODER.decode(body).messages
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
