"""What other servers send, before it comes near a room: format, signatures, hashes.

Spec: server-server API, "Checks performed on receipt of a PDU", checks 1 to 3. An event that fails one of the first two
is dropped; one whose content is not what its server hashed goes on in its redacted form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ranvier.federation.keys import ServerKeys
from ranvier.proto.event_format import InvalidEvent, parse_event
from ranvier.proto.events import Event
from ranvier.proto.hashing import content_hash_matches
from ranvier.proto.redaction import redact
from ranvier.proto.room_versions import RoomVersion


@dataclass(frozen=True, slots=True)
class Screened:
    """An event that may be judged by its room."""

    event: Event
    authoriser_signed: bool
    """Whether the server of `join_authorised_via_users_server` has signed it; true where there is none."""


@dataclass(slots=True)
class Screening:
    """The result for some events: those that passed, in order, and why others (by id) did not."""

    passed: list[Screened] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def badly_authorised(self) -> frozenset[str]:
        """Ids of the joins that the authorising user's server has not signed."""
        return frozenset(one.event.event_id for one in self.passed if not one.authoriser_signed)


class Screens:
    """Screens events."""

    def __init__(self, *, keys: ServerKeys) -> None:
        self._keys = keys

    async def screen(self, pdus: Sequence[Mapping[str, Any]], version: RoomVersion, *, room_id: str) -> Screening:
        """Check events that claim to be of a room. Malformed ones that have no id are silently dropped.

        Waits for keys of other servers.
        """
        result = Screening()
        events: dict[str, Event] = {}
        for pdu in pdus:
            try:
                event = parse_pdu(pdu, version)
            except InvalidEvent as error:
                if isinstance(pdu, dict) and isinstance(pdu.get("event_id"), str):
                    result.refused[pdu["event_id"]] = str(error)
                continue
            if event.room_id == room_id:
                events[event.event_id] = event
            else:
                result.refused[event.event_id] = "The event is of another room"
        listed = list(events.values())
        for event, verdict in zip(listed, await self._keys.verify_events(listed), strict=True):
            if verdict.error is not None:
                result.refused[event.event_id] = verdict.error
            else:
                result.passed.append(Screened(event, verdict.authoriser_signed))
        return result


def parse_pdu(pdu: Mapping[str, Any], version: RoomVersion) -> Event:
    """The event that another server sent, without what it says beside it; redacted if its hash is wrong.

    Raises `InvalidEvent`.
    """
    if not isinstance(pdu, dict):
        raise InvalidEvent("not an object")
    bare = {key: value for key, value in pdu.items() if key != "unsigned"}
    event = parse_event(bare, version)
    if content_hash_matches(bare, version):
        return event
    return parse_event(redact(bare, version), version)
