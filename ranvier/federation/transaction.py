"""What is sent to one server at once.

Spec: server-server API, "Transactions". Pure: bytes that exist already are put together, nothing is encoded again.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from ranvier.proto.canonical_json import encode

MAX_PDUS: Final = 50
MAX_EDUS: Final = 100


def transaction_body(*, origin: str, origin_server_ts: int, pdus: Sequence[bytes], edus: Sequence[bytes]) -> bytes:
    """The body of a transaction as canonical JSON; `pdus` and `edus` are canonical JSON."""
    return b'{"edus":[%b],"origin":%b,"origin_server_ts":%d,"pdus":[%b]}' % (
        b",".join(edus),
        orjson.dumps(origin),
        origin_server_ts,
        b",".join(pdus),
    )


def edu_body(edu_type: str, content: dict[str, Any]) -> bytes:
    """An EDU as canonical JSON. Raises `NotCanonical`."""
    return encode({"content": content, "edu_type": edu_type})
