"""What servers tell users of other servers, at the door of a room, about it.

Spec: server-server API, `invite_room_state` and `knock_room_state`; client-server API, "Stripped state".
"""

from ranvier.federation.keys import ServerKeys
from ranvier.proto.handshakes.told_state import ToldState, read_told_state
from ranvier.proto.hashing import content_hash_matches
from ranvier.proto.room_versions import RoomVersion


async def sound_told_state(keys: ServerKeys, told: object, version: RoomVersion, room_id: str) -> ToldState:
    """What we are told, as far as it is what it claims to be: without events that are not properly signed."""
    read = read_told_state(told, version, room_id)
    verdicts = await keys.verify_events(read.events) if read.events else []
    sound = [
        event
        for event, verdict in zip(read.events, verdicts, strict=True)
        if verdict.error is None and content_hash_matches(event.pdu, version)
    ]
    problem = read.problem
    if len(sound) < len(read.events):
        problem = problem or "an entry is not signed as it should be"
    return ToldState(sound, read.stripped, problem)
