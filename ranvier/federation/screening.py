"""What other servers send, before it comes near a room: format, signatures, hashes.

Spec: server-server API, "Checks performed on receipt of a PDU", checks 1 to 3. An event that fails one of the first two
is dropped; one whose content is not what its server hashed goes on in its redacted form.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ranvier.federation.keys import ServerKeys
from ranvier.proto.canonical_json import NotCanonical, decode_lenient, decode_plain
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.event_receipt import ReceivedEvent, receive_event
from ranvier.proto.events import Event
from ranvier.proto.room_versions import RoomVersion

BREATH: Final = 50
"""After so many events that are decoded the event loop may do something else."""
BREATH_BYTES: Final = 128 << 10
"""Or after so much of their JSON."""


class Screened(msgspec.Struct, frozen=True, eq=False):
    """An event that may be judged by its room."""

    event: Event
    authoriser_signed: bool
    """Whether the server of `join_authorised_via_users_server` has signed it; true where there is none."""


@dataclass(slots=True)
class Screening:
    """The result for some events: those that passed, in order, and why others (by id) did not."""

    passed: list[Screened] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    malformed: int = 0
    """How many had not even an id."""
    unproven: list[ReceivedEvent] = field(default_factory=list)
    """Those that are `refused` because of their signatures."""

    @property
    def badly_authorised(self) -> frozenset[str]:
        """Ids of the joins that the authorising user's server has not signed."""
        return frozenset(one.event.event_id for one in self.passed if not one.authoriser_signed)


class Screens:
    """Screens events."""

    def __init__(self, *, keys: ServerKeys) -> None:
        self._keys = keys

    async def screen(
        self,
        pdus: Sequence[Mapping[str, Any] | bytes],
        version: RoomVersion,
        *,
        room_id: str,
        resident: str | None = None,
    ) -> Screening:
        """Check events that claim to be of a room; some that nobody has decoded yet may be among them.

        Malformed ones that have no id are silently dropped. Waits for keys of other servers, `resident` as in
        `ServerKeys.verify_received`. Lets others go on in between.
        """
        intake = _Intake(version, room_id)
        taken, taken_bytes = 0, 0
        for pdu in pdus:
            if isinstance(pdu, bytes):
                intake.take_encoded(pdu)
                taken_bytes += len(pdu)
            else:
                intake.take(pdu, is_plain=False)
            taken += 1
            if taken == BREATH or taken_bytes >= BREATH_BYTES:
                taken, taken_bytes = 0, 0
                await asyncio.sleep(0)
        return await self._verified(intake, resident)

    async def _verified(self, intake: "_Intake", resident: str | None = None) -> Screening:
        result = intake.result
        listed = list(intake.events.values())
        verdicts = await self._keys.verify_received(listed, resident=resident)
        for received, verdict in zip(listed, verdicts, strict=True):
            event = received.event
            if verdict.error is not None:
                result.refused[event.event_id] = verdict.error
                result.unproven.append(received)
            else:
                result.passed.append(Screened(event, verdict.authoriser_signed))
        return result


@dataclass(slots=True)
class _Intake:
    """Events of a room whose signatures are still to be checked."""

    version: RoomVersion
    room_id: str
    result: Screening = field(default_factory=Screening)
    events: dict[str, ReceivedEvent] = field(default_factory=dict)

    def take(self, pdu: Any, *, is_plain: bool) -> None:
        """One more, if it has the form of one."""
        try:
            received = receive_event(pdu, self.version, is_plain=is_plain)
        except InvalidEvent as error:
            if isinstance(pdu, dict) and isinstance(pdu.get("event_id"), str):
                self.result.refused[pdu["event_id"]] = str(error)
            else:
                self.result.malformed += 1
            return
        event = received.event
        if event.room_id == self.room_id:
            self.events[event.event_id] = received
        else:
            self.result.refused[event.event_id] = "The event is of another room"

    def take_encoded(self, element: bytes) -> None:
        """One more, from its JSON."""
        try:
            self.take(decode_plain(element), is_plain=True)
        except NotCanonical:
            try:
                self.take(decode_lenient(element), is_plain=False)
            except NotCanonical:
                self.result.malformed += 1


def parse_pdu(pdu: Mapping[str, Any], version: RoomVersion) -> Event:
    """The event that another server sent, without what it says beside it; redacted if its hash is wrong.

    Raises `InvalidEvent`.
    """
    return receive_event(pdu, version).event
