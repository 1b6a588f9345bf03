"""An event, as every layer sees it.

Spec: room versions, "Event format". An `Event` is treated as immutable by everyone; it may be shared between rooms'
caches, syncs and tasks. The mutable fields are memos of pure functions of the event.
"""

from typing import Any

import msgspec
import orjson

from ranvier.proto.canonical_json import decode_lenient
from ranvier.proto.room_versions import RoomVersion

StateKey = tuple[str, str]
"""`(type, state_key)`: the key of one entry of a room's state."""


class Event(msgspec.Struct, eq=False, kw_only=True):
    """One event in its federation form (a PDU), with its id.

    `json` is its canonical JSON, exactly what is stored and sent. `prev_events` and `auth_events` are event ids in every
    room version. Caches hold many of these, so nothing is here twice that is not read often.
    """

    version: RoomVersion
    event_id: str
    room_id: str
    type: str
    sender: str
    state_key: str | None
    content: dict[str, Any]
    origin_server_ts: int
    depth: int
    prev_events: tuple[str, ...]
    auth_events: tuple[str, ...]
    redacts: str | None
    """The target of an `m.room.redaction`, wherever this room version keeps it; `None` for other types."""
    json: bytes
    decoded: dict[str, Any] | None = None
    """The whole event as other servers see it, where somebody has it at hand; not to be changed."""
    parsed: Any = None
    """Memo: the parsed content where parsing is not free (power levels)."""
    client_core: bytes | None = None
    """Memo: the client form without `room_id` and `unsigned`, without its closing brace."""

    @property
    def pdu(self) -> dict[str, Any]:
        """The whole event as other servers see it: hashes, signatures, `unsigned` included. Decoded each time."""
        if self.decoded is not None:
            return self.decoded
        pdu: dict[str, Any] = (
            orjson.loads(self.json) if self.version.strict_canonical_json else decode_lenient(self.json)
        )
        return pdu

    @property
    def key(self) -> StateKey | None:
        """The state entry this event sets, `None` for a message event."""
        return None if self.state_key is None else (self.type, self.state_key)

    @property
    def membership(self) -> str | None:
        """`content.membership` if it is a string (for `m.room.member`)."""
        value = self.content.get("membership")
        return value if isinstance(value, str) else None
