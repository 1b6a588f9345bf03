"""A room as it really is, whatever the servers in it say: the test makes its events, and knows all states."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import count
from typing import Any, Final

from ranvier.proto.auth.select import auth_types_for
from ranvier.proto.event_build import complete_event, edges
from ranvier.proto.event_format import parse_event
from ranvier.proto.events import Event, StateKey
from ranvier.proto.ids import domain_of
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.proto.signing import SigningKey
from tests.plays.world import EPOCH_MS

State = Mapping[StateKey, Event]
MEMBER: Final = "m.room.member"


def key_of(server: str) -> SigningKey:
    """The key that a scripted server signs with."""
    return SigningKey("ed25519:scripted", blake2b(f"scripted {server}".encode(), digest_size=32).digest())


def now_ms() -> int:
    """The time of the play."""
    return EPOCH_MS + int(asyncio.get_running_loop().time() * 1000)


class ScriptedRoom:
    """A public room of `creator`.

    Where branches meet, the later of two entries counts, as long as nobody's power is in question. Nothing in a room may
    be told in two ways, so tests that let branches differ in more than that say what comes of it.
    """

    def __init__(
        self,
        creator: str,
        *,
        version: str = "11",
        name: str | None = "Square",
        levels: Mapping[str, int] | None = None,
        number: int = 0,
    ) -> None:
        """`levels` are the power levels of users beside the creator; `number` tells it from others of the same server."""
        self.version: RoomVersion = ROOM_VERSIONS[version]
        self.creator = creator
        self.events: dict[str, Event] = {}
        self.before: dict[str, State] = {}
        """The states before events that have a place in the room."""
        self.rejected: set[str] = set()
        """Ids of events that have a place in the room, and change nothing."""
        self.ends: list[Event] = []
        self._unplaced: list[Event] = []
        """Events of other servers that have come before what they cite."""
        self._names = count()
        self.room_id = f"!room{number}:{domain_of(creator)}"
        content = {"room_version": version, "creator": creator}
        create = self.tell("m.room.create", content, state_key="")
        if self.version.domainless_room_ids:
            self.room_id = create.room_id
        self.tell(MEMBER, {"membership": "join"}, state_key=creator)
        users = dict(levels or {}) | ({} if self.version.domainless_room_ids else {creator: 100})
        self.tell("m.room.power_levels", {"users": users}, state_key="")
        self.tell("m.room.join_rules", {"join_rule": "public"}, state_key="")
        self.tell("m.room.history_visibility", {"history_visibility": "shared"}, state_key="")
        if name is not None:
            self.tell("m.room.name", {"name": name}, state_key="")

    # What the room is.

    @property
    def state(self) -> State:
        """After all ends."""
        return self._merged(self.ends)

    def after(self, event: Event) -> State:
        """The state after an event."""
        before = self.before[event.event_id]
        changes = event.key is not None and event.event_id not in self.rejected
        return {**before, event.key: event} if changes and event.key is not None else before

    def servers(self, state: State) -> list[str]:
        """Those with joined members in a state."""
        members = [event for event in state.values() if event.type == MEMBER and event.membership == "join"]
        return sorted({domain_of(event.state_key or "") for event in members})

    def auth_chain(self, events: Iterable[Event]) -> list[Event]:
        """All that these stand on, ancestors first."""
        found: dict[str, Event] = {}
        waiting = list(events)
        while waiting:
            for event_id in waiting.pop().auth_events:
                if event_id not in found and event_id in self.events:
                    found[event_id] = self.events[event_id]
                    waiting.append(found[event_id])
        return sorted(found.values(), key=lambda event: event.depth)

    def between(self, latest: Iterable[str], earliest: Iterable[str], limit: int) -> list[Event]:
        """What stands between, the oldest first."""
        known, found = set(earliest), dict[str, Event]()
        waiting = [parent for event_id in latest if event_id in self.events for parent in self._parents(event_id)]
        while waiting and len(found) < limit:
            event_id = waiting.pop(0)
            if event_id in self.before and event_id not in known and event_id not in found:
                found[event_id] = self.events[event_id]
                waiting += self._parents(event_id)
        return sorted(found.values(), key=lambda event: event.depth)

    # What happens in it.

    def make(
        self,
        type_: str,
        content: Mapping[str, Any],
        *,
        sender: str = "",
        state_key: str | None = None,
        after: Sequence[Event] | None = None,
        state: State | None = None,
        auth: Sequence[Event] | None = None,
        **fields: Any,
    ) -> Event:
        """An event, well signed, that is known to nobody. `state` is where its auth events are looked for, if not `after`."""
        sender = sender or self.creator
        prev = list(self.ends if after is None else after)
        standing = self._merged(prev) if state is None else state
        if auth is None:
            keys = auth_types_for(self.version, type_, sender, state_key, content)
            auth = [standing[key] for key in keys if key in standing]
        pdu: dict[str, Any] = {
            "type": type_,
            "sender": sender,
            "content": dict(content),
            "origin_server_ts": now_ms(),
            "depth": 1 + max((parent.depth for parent in prev), default=0),
            "prev_events": edges(prev, self.version),
            "auth_events": edges(auth, self.version),
            **({} if state_key is None else {"state_key": state_key}),
            **fields,
        }
        if type_ != "m.room.create" or not self.version.domainless_room_ids:
            pdu["room_id"] = self.room_id
        server = domain_of(sender)
        if self.version.event_ids == "opaque":
            pdu["event_id"] = f"$event{next(self._names)}:{server}"
        return complete_event(pdu, self.version, signing_key=key_of(server), server_name=server)

    def place(self, event: Event, *, state: State | None = None) -> Event:
        """The event stands in the room from now on. `state` is that before it, if it does not follow from its predecessors."""
        parents = [self.events[event_id] for event_id in event.prev_events if event_id in self.before]
        self.events[event.event_id] = event
        self.before[event.event_id] = self._merged(parents) if state is None else dict(state)
        if all(event.event_id not in self._parents(other) for other in self.before):
            self.ends = [end for end in self.ends if end.event_id not in event.prev_events] + [event]
        return event

    def forge(self, type_: str, content: Mapping[str, Any], **where: Any) -> Event:
        """An event that is made, and which nobody should accept who knows the whole state. As `make`."""
        event = self.make(type_, content, **where)
        self.rejected.add(event.event_id)
        ends = list(self.ends)
        self.place(event)
        self.ends = ends
        return event

    def tell(self, type_: str, content: Mapping[str, Any], **where: Any) -> Event:
        """An event that is made, and stands in the room. As `make`."""
        return self.place(self.make(type_, content, **where))

    def say(self, body: str, *, sender: str = "", **where: Any) -> Event:
        """A message."""
        return self.tell("m.room.message", {"msgtype": "m.text", "body": body}, sender=sender, **where)

    def member(self, user_id: str, membership: str, *, by: str = "", **where: Any) -> Event:
        """Somebody's membership becomes this, by their own will if nobody else is named."""
        return self.tell(MEMBER, {"membership": membership}, sender=by or user_id, state_key=user_id, **where)

    def hear(self, pdu: Mapping[str, Any]) -> Event:
        """An event of another server: it stands in the room as soon as what comes before it does."""
        event = parse_event({key: value for key, value in pdu.items() if key != "unsigned"}, self.version)
        if event.event_id not in self.events:
            self.events[event.event_id] = event
            self._unplaced.append(event)
            placed = True
            while placed:
                ready = [one for one in self._unplaced if self.before.keys() >= set(one.prev_events)]
                self._unplaced = [one for one in self._unplaced if one not in ready]
                placed = bool([self.place(one) for one in ready])
        return self.events[event.event_id]

    def _merged(self, events: Iterable[Event]) -> State:
        state: dict[StateKey, Event] = {}
        for event in events:
            for key, entry in self.after(event).items():
                known = state.get(key)
                if known is None or _time(known) < _time(entry):
                    state[key] = entry
        return state

    def _parents(self, event_id: str) -> tuple[str, ...]:
        return self.events[event_id].prev_events


def _time(event: Event) -> tuple[int, int]:
    return event.origin_server_ts, event.depth
