"""An event as clients are given it, for the OpenAPI document. Spec: client-server API, "Room event format"."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class ClientEvent(msgspec.Struct):
    """An event with its room."""

    type: str
    sender: str
    content: dict[str, Any]
    event_id: str
    origin_server_ts: int
    room_id: str
    state_key: str | UnsetType = UNSET
    unsigned: dict[str, Any] | UnsetType = UNSET
    redacts: str | UnsetType = UNSET
