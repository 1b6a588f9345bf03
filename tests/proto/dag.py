"""A room's history as a graph in memory, to test what happens where its branches meet."""

from collections.abc import Mapping, Sequence
from typing import Any

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.rules import check_event
from ranvier.proto.auth.select import auth_types_of
from ranvier.proto.events import Event, StateKey
from ranvier.proto.resolution.in_memory import resolve_in_memory
from ranvier.proto.room_versions import ROOM_VERSIONS

State = dict[StateKey, str]

ALICE = "@alice:one.example"
BOB = "@bob:two.example"
CAROL = "@carol:three.example"
DAVE = "@dave:four.example"


class Dag:
    """Events by id. Ids are `$` and the name given to the event, but for the create event of v12: `$room`."""

    def __init__(self, version: str = "10") -> None:
        self.version = ROOM_VERSIONS[version]
        self.room_id = "!room" if self.version.domainless_room_ids else "!room:one.example"
        self.events: dict[str, Event] = {}
        self.after: dict[str, State] = {}
        """The state after each event."""
        self.clock = 1000

    def begin(self, *, users: Mapping[str, int] | None = None, join_rule: str = "public") -> str:
        """A room of Alice's: create, her join, power levels, join rules; the last event's name."""
        self.send("room", ALICE, "m.room.create", {"room_version": self.version.identifier, "creator": ALICE}, key="")
        self.member("alice", ALICE, "join", after=["room"])
        levels = dict(users or {})
        if not self.version.privileged_creators:
            levels = {ALICE: 100, **levels}
        self.levels("levels", ALICE, levels, after=["alice"])
        return self.send("rule", ALICE, "m.room.join_rules", {"join_rule": join_rule}, key="", after=["levels"])

    def send(
        self,
        name: str,
        sender: str,
        type_: str,
        content: dict[str, Any],
        *,
        key: str | None = None,
        after: Sequence[str] = (),
        ts: int | None = None,
        cite: Sequence[str] | None = None,
        unchecked: bool = False,
    ) -> str:
        """Add an event after others and update the state; its name. Asserts that it is allowed unless `unchecked`.

        `cite` names the auth events if they are not those that the state before the event gives.
        """
        self.clock += 1
        before = self.before(after)
        event = self._event(name, sender, type_, content, key, after, ts)
        if cite is None:
            event.auth_events = tuple(before[k] for k in auth_types_of(event) if k in before)
        else:
            event.auth_events = tuple(f"${cited}" for cited in cite)
        if not unchecked:
            check_event(event, self.state_of(before))
        self.events[event.event_id] = event
        self.after[event.event_id] = before if event.key is None else {**before, event.key: event.event_id}
        return name

    def member(
        self,
        name: str,
        user: str,
        membership: str,
        *,
        by: str | None = None,
        after: Sequence[str],
        ts: int | None = None,
        unchecked: bool = False,
    ) -> str:
        """A member event."""
        return self.send(
            name,
            by or user,
            "m.room.member",
            {"membership": membership},
            key=user,
            after=after,
            ts=ts,
            unchecked=unchecked,
        )

    def levels(
        self, name: str, sender: str, users: Mapping[str, int], *, after: Sequence[str], ts: int | None = None
    ) -> str:
        """New power levels."""
        content = {"users": dict(users)}
        return self.send(name, sender, "m.room.power_levels", content, key="", after=after, ts=ts)

    def topic(self, name: str, sender: str, *, after: Sequence[str], ts: int | None = None) -> str:
        """A new topic."""
        return self.send(name, sender, "m.room.topic", {"topic": name}, key="", after=after, ts=ts)

    def allowed(self, event: Event, state: State) -> bool:
        """Whether the auth rules let the event happen on top of a state."""
        try:
            check_event(event, self.state_of(state))
        except AuthError:
            return False
        return True

    def before(self, after: Sequence[str]) -> State:
        """The state before an event with these `prev_events`."""
        return self.resolve([self.after[f"${name}"] for name in after]) if after else {}

    def resolve(self, states: Sequence[State]) -> State:
        """The resolution of states."""
        return resolve_in_memory(self.version, states, self.events)

    def state_of(self, state: State) -> dict[StateKey, Event]:
        """A state as events."""
        return {key: self.events[event_id] for key, event_id in state.items()}

    def merge(self, *names: str) -> dict[StateKey, str]:
        """The names of the events in the state where branches meet."""
        return {key: event_id[1:] for key, event_id in self.before(names).items()}

    def _event(
        self,
        name: str,
        sender: str,
        type_: str,
        content: dict[str, Any],
        key: str | None,
        after: Sequence[str],
        ts: int | None,
    ) -> Event:
        return Event(
            version=self.version,
            event_id=f"${name}",
            room_id=self.room_id,
            type=type_,
            sender=sender,
            state_key=key,
            content=content,
            origin_server_ts=self.clock if ts is None else ts,
            depth=1 + max((self.events[f"${before}"].depth for before in after), default=0),
            prev_events=tuple(f"${before}" for before in after),
            auth_events=(),
            redacts=None,
            decoded={},
            json=b"",
        )
