"""Real, signed events for tests: a create event and what follows it, in any room version."""

from typing import Any

from ranvier.proto.event_build import build_event
from ranvier.proto.events import Event
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.proto.signing import SigningKey

SERVER = "a.example"
ALICE = f"@alice:{SERVER}"
KEY = SigningKey("ed25519:one", b"\1" * 32)
VERSIONS = list(ROOM_VERSIONS.values())
STRICT_VERSIONS = [version for version in VERSIONS if version.strict_canonical_json]
LENIENT_VERSIONS = [version for version in VERSIONS if not version.strict_canonical_json]


def name_of(version: RoomVersion) -> str:
    """For the ids of parametrised tests."""
    return f"v{version.identifier}"


def build(version: RoomVersion, type: str, content: dict[str, Any], **changes: Any) -> Event:
    """An event of `ALICE`, which any argument of `build_event` may change."""
    arguments: dict[str, Any] = {
        "version": version,
        "room_id": "!room:a.example",
        "type": type,
        "sender": ALICE,
        "state_key": None,
        "content": content,
        "origin_server_ts": 1_700_000_000_000,
        "depth": 2,
        "prev_events": [],
        "auth_events": [],
        "signing_key": KEY,
        "server_name": SERVER,
        "random": lambda size: b"\7" * size,
    }
    return build_event(**{**arguments, **changes})


def create_room(version: RoomVersion) -> Event:
    """A create event."""
    room_id = None if version.domainless_room_ids else "!room:a.example"
    content = {"room_version": version.identifier, "creator": ALICE}
    return build(version, "m.room.create", content, state_key="", room_id=room_id, depth=1)
