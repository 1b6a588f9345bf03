"""What must hold in every server at the end of a play, found out again from what is on its disk."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ranvier.db.engine import Database
from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.redaction import redaction_allowed
from ranvier.proto.auth.rules import check_auth_events, check_event
from ranvier.proto.auth.state import CREATE
from ranvier.proto.event_format import load_event
from ranvier.proto.events import Event, StateKey
from ranvier.proto.hashing import content_hash_matches, event_id_of, signed_bytes
from ranvier.proto.redaction import redact
from ranvier.proto.signing import SignatureError, required_signers
from ranvier.proto.signing import check_event as check_signed
from ranvier.rooms.room import Room
from ranvier.state.history import known_state
from ranvier.store.events import ACCEPTED, COLUMNS, REJECTED, StoredEvent, stored_event
from tests.plays.world import World

MOST_ENDS: Final = 10
"""`rooms.tidy` joins more."""


async def check_verdicts(play: World, room_id: str) -> None:
    """Each server has accepted what the rules allow, rejected what they do not, and nothing that was not signed."""
    signed: dict[str, bool] = {}
    keys = {name: play.public_keys(name) for name in [*play.servers, *play.network.unruly]}
    for name, server in sorted(play.servers.items()):
        room = await server.rooms.rooms.find(room_id)
        if room is not None:
            await _Verdicts(name, server.db, room, keys, signed).check()


class _Verdicts:
    """One server's."""

    def __init__(
        self,
        name: str,
        db: Database,
        room: Room,
        keys: Mapping[str, Mapping[str, bytes]],
        signed: dict[str, bool],
    ) -> None:
        self._name = name
        self._db = db
        self._room = room
        self._keys = keys
        self._signed = signed
        """Events whose signatures have been found to be right, in any server."""
        self._stored: dict[int, StoredEvent] = {}
        self._by_id: dict[str, StoredEvent] = {}
        self._states: dict[int, Mapping[StateKey, Event]] = {}

    async def check(self) -> None:
        room = self._room
        rows = await self._db.all(f"SELECT {COLUMNS} FROM events WHERE room_nid = $1", room.room_nid)
        self._stored = {row[0]: stored_event(row, room.version) for row in rows}
        # The rules are asked of what was sent; a redaction does not change that.
        for row in rows:
            stored = self._stored[row[0]]
            stored.event = load_event(row[-1], stored.event.event_id, room.version)
            self._by_id[stored.event.event_id] = stored
        # Of a room that was left while it was partial the states stay so, until somebody comes back.
        partial = {row[0] for row in await self._db.all("SELECT event_id FROM partial_state_events")}
        for stored in self._stored.values():
            if not stored.is_outside and stored.event.event_id not in partial:
                self._check_signed(stored.event)
                await self._check_one(stored)

    def _check_signed(self, event: Event) -> None:
        """The event is what its server has signed, and has the id that belongs to it."""
        if event.event_id in self._signed:
            return
        pdu, version = event.pdu, event.version
        if version.event_ids != "opaque":
            assert event_id_of(signed_bytes(pdu, version), version) == event.event_id
        if not content_hash_matches(pdu, version):
            bare = {key: value for key, value in pdu.items() if key != "unsigned"}
            assert redact(bare, version) == bare, self._say(event, "has content that was not hashed")
        else:
            self._signed[event.event_id] = True
        for server in required_signers(event):
            try:
                check_signed(event, server, self._keys.get(server, {}))
            except SignatureError as error:
                raise AssertionError(self._say(event, str(error))) from error

    async def _check_one(self, stored: StoredEvent) -> None:
        event = stored.event
        auth = [self._by_id[event_id] for event_id in event.auth_events]
        why = self._why_by_auth_events(event, auth)
        if why is None and stored.state_before is not None:
            why = _why(event, await self._state(stored.state_before))
        if stored.status == REJECTED:
            # What was rejected as an outlier stays so.
            assert why is not None, self._say(event, "was rejected although it is allowed")
        else:
            assert why is None, self._say(event, f"was not rejected: {why}")
        if stored.status == ACCEPTED and stored.redacted_by is not None:
            redaction = self._stored[stored.redacted_by]
            before = await self._state(redaction.state_before or 0)
            assert redaction.status == ACCEPTED, self._say(event, "was redacted by what is not accepted")
            assert redaction_allowed(redaction.event, event, before), self._say(event, "was redacted without power")

    def _why_by_auth_events(self, event: Event, auth: Sequence[StoredEvent]) -> str | None:
        rejected = {stored.event.event_id for stored in auth if stored.status == REJECTED}
        state = {stored.event.key: stored.event for stored in auth if stored.event.key is not None}
        create = self._room.state[CREATE].event
        if event.version.domainless_room_ids:
            state[CREATE] = create
        try:
            check_auth_events(event, [stored.event for stored in auth], rejected=rejected.__contains__)
        except AuthError as error:
            return str(error)
        return _why(event, state)

    async def _state(self, state_no: int) -> Mapping[StateKey, Event]:
        if state_no not in self._states:
            entries = (await self._room.history.load_state(known_state(state_no))).values()
            events = [self._stored[nid].event for nid in entries]
            self._states[state_no] = {event.key: event for event in events if event.key is not None}
        return self._states[state_no]

    def _say(self, event: Event, what: str) -> str:
        return f"{self._name}: {event.event_id} ({event.type} of {event.sender}) {what}"


def _why(event: Event, state: Mapping[StateKey, Event]) -> str | None:
    try:
        check_event(event, state)
    except AuthError as error:
        return str(error)
    return None


async def check_few_ends(play: World, room_id: str, present: Collection[str]) -> None:
    """The history of the room has few ends, whatever others have done to it."""
    for name in present:
        room = await play.servers[name].rooms.rooms.get(room_id)
        ends = [stored.event.event_id for stored in room.extremities]
        assert len(ends) <= MOST_ENDS, f"{name} has {len(ends)} ends"


async def check_nothing_waits(play: World) -> None:
    """Nobody looks for anything any more, nor says of itself that something went wrong."""
    for name, server in sorted(play.servers.items()):
        waiting = await server.db.all("SELECT event_id FROM inbound_events")
        assert not waiting, f"{name} still looks for what {waiting} need"
    assert not play.network.failures, play.network.failures[:3]
