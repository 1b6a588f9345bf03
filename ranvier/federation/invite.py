"""A local user invites a user of another server.

Spec: server-server API, "Inviting to a room", `/invite` (both versions). The invited user's server signs the event
before anybody else sees it. It is asked without holding the room: if the room has moved on meanwhile, the invitation
branches off, as the events of other servers do.
"""

from collections.abc import Sequence
from typing import Any, Final

from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.keys import ServerKeys
from ranvier.federation.paths import path
from ranvier.federation.residents import passed_on
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.events import Event
from ranvier.proto.handshakes.countersign import take_signatures
from ranvier.proto.ids import domain_of
from ranvier.proto.redaction import redact
from ranvier.proto.signing import SignatureError
from ranvier.rooms.accept import Accepting, Arrival
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer
from ranvier.store.events import ACCEPTED, StoredEvent

TIMEOUT_S: Final = 30.0
ANSWER_BYTES: Final = 4 << 20


class RemoteInvites:
    """Invites users of other servers."""

    def __init__(
        self, *, rooms: Rooms, writer: Writer, accepting: Accepting, client: FederationClient, keys: ServerKeys
    ) -> None:
        self._rooms = rooms
        self._writer = writer
        self._accepting = accepting
        self._client = client
        self._keys = keys

    async def invite(self, room_id: str, draft: Draft) -> StoredEvent:
        """Send the invitation `draft`; the event, once it is durable.

        Raises 403 if the room does not allow it, 403 or 400 of the other server, 502 if that cannot be reached.
        """
        server = domain_of(draft.state_key or "")
        room, event = await self._prepare(room_id, draft)
        if self._writer.policing is not None:
            event = await self._writer.policing.signed(room, event)
        signed = await self._signed(room, event, server)
        (stored,) = await self._accepting.accept(room_id, [Arrival(event=signed, is_new=True)])
        if stored is None or stored.status != ACCEPTED:
            raise forbidden("The room does not allow this invitation any more")
        return stored

    async def _prepare(self, room_id: str, draft: Draft) -> tuple[Room, Event]:
        while True:
            room = await self._rooms.get(room_id)
            async with room.lock:
                if room.spoilt:
                    continue
                if room.content("m.room.create").get("m.federate") is False:
                    raise forbidden("This room is for users of one server only")
                built = (await self._writer.prepare(room, draft)).built
            if built is not None:
                return room, built[0]

    async def _signed(self, room: Room, event: Event, server: str) -> Event:
        """The event with the signature of the invited user's server."""
        try:
            answer = await self._ask(room, event, server)
            signed = take_signatures(event, answer.get("event"), server)
            await self._keys.verify_json(server, _signed_part(signed), at_ms=event.origin_server_ts)
        except RemoteError as error:
            raise _refused(error, server) from error
        except (Unreachable, InvalidEvent, SignatureError) as error:
            raise MatrixError(502, "M_UNKNOWN", f"{server} cannot be told of the invitation: {error}") from error
        return signed

    async def _ask(self, room: Room, event: Event, server: str) -> dict[str, Any]:
        told = self._told(room, event)
        body: dict[str, Any] = {
            "room_version": room.version.identifier,
            "event": event.pdu,
            "invite_room_state": [entry.pdu for entry in told],
        }
        at = (room.room_id, event.event_id)
        try:
            answer = await self._client.put(
                server,
                path("v2", "invite", *at),
                content=body,
                timeout_s=TIMEOUT_S,
                limit_bytes=ANSWER_BYTES,
                patient=True,
            )
        except RemoteError as error:
            # COMPAT: servers from before v1.1 of the spec; what they do not know cannot be asked of them.
            if error.status not in (400, 404) or not room.version.edge_hashes:
                raise
            body = {**event.pdu, "unsigned": {"invite_room_state": body["invite_room_state"]}}
            pair = await self._client.put(
                server,
                path("v1", "invite", *at),
                content=body,
                timeout_s=TIMEOUT_S,
                limit_bytes=ANSWER_BYTES,
                patient=True,
            )
            answer = pair[1] if isinstance(pair, list) and len(pair) == 2 else None
        return answer if isinstance(answer, dict) else {}

    def _told(self, room: Room, event: Event) -> Sequence[Event]:
        """What the invited user is told of the room, and who invites them."""
        inviter = room.get_stored(("m.room.member", event.sender)) if room.knows_member(event.sender) else None
        return [
            *(stored.event for stored in self._rooms.at_door.of(room)),
            *([] if inviter is None else [inviter.event]),
        ]


def _signed_part(event: Event) -> dict[str, Any]:
    return {key: value for key, value in redact(event.pdu, event.version).items() if key != "unsigned"}


def _refused(error: RemoteError, server: str) -> MatrixError:
    """What the inviting client is told."""
    if error.errcode == "M_INCOMPATIBLE_ROOM_VERSION":
        return MatrixError(400, "M_UNSUPPORTED_ROOM_VERSION", f"{server} does not know the version of this room")
    return passed_on(error, server)
