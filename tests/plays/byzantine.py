"""A server of a play that keeps to no rule: what it knows of a room, and how it makes and sends what it likes.

It is in the room like everybody, so it is told what the others say. It judges nothing, and remembers everything. What it
answers when it is asked is in `byzantine_answers.py`, what it does of its own accord in `attacks.py`.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from urllib.parse import quote

import orjson

from ranvier.ports import FederationTransport, FederationUnreachable
from ranvier.proto.auth.select import auth_types_for
from ranvier.proto.canonical_json import encode_lenient
from ranvier.proto.event_build import complete_event, edges
from ranvier.proto.event_format import InvalidEvent, parse_event
from ranvier.proto.events import Event, StateKey
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion
from ranvier.proto.signing import SigningKey
from ranvier.proto.x_matrix import x_matrix_header

EVIL: Final = "evil.test"
EVIL_KEY: Final = SigningKey("ed25519:evil", bytes(range(32)))
TIMEOUT_S: Final = 30.0

State = Mapping[StateKey, Event]


@dataclass(slots=True)
class Byzantine:
    """The server."""

    random: Random
    transport: FederationTransport
    epoch_ms: int
    name: str = EVIL
    key: SigningKey = EVIL_KEY
    room_id: str = ""
    version: RoomVersion = ROOM_VERSIONS["11"]
    events: dict[str, Event] = field(default_factory=dict)
    """All it has heard of or made."""
    told: list[str] = field(default_factory=list)
    """Ids of what stands in the room's graph, as it came."""
    before: dict[str, State] = field(default_factory=dict)
    """The states before events, as this server believes them to be; approximate."""
    state: dict[StateKey, Event] = field(default_factory=dict)
    ends: list[Event] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    """Those of its users that have ever been in the room."""
    withheld: set[str] = field(default_factory=set)
    """Events that nobody is ever given."""
    made_up: int = 0
    is_quiet: bool = False
    """At the end of a play it gives up, and answers nobody any more."""
    _sent: int = 0

    def now_ms(self) -> int:
        """Its clock."""
        return self.epoch_ms + int(asyncio.get_running_loop().time() * 1000)

    async def ask(self, method: str, destination: str, path: str, content: Any = None) -> Any:
        """A signed request; the JSON of an answer with 200, otherwise `None`."""
        body = None if content is None else encode_lenient(content)
        signed = x_matrix_header(
            method=method, uri=path, origin=self.name, destination=destination, content=body, key=self.key
        )
        try:
            answer = await self.transport.request(
                method=method,
                destination=destination,
                target=path,
                headers={"Authorization": signed},
                body=body,
                timeout_s=TIMEOUT_S,
                limit_bytes=1 << 24,
            )
        except FederationUnreachable:
            return None
        return orjson.loads(answer.body) if answer.status == 200 else None

    async def send(self, destination: str, pdus: Sequence[Any], edus: Sequence[Any] = ()) -> Any:
        """One transaction."""
        self._sent += 1
        content = {"origin": self.name, "origin_server_ts": self.now_ms(), "pdus": list(pdus), "edus": list(edus)}
        return await self.ask("PUT", destination, f"/_matrix/federation/v1/send/{self._sent}", content)

    async def tell(self, destinations: Iterable[str], *events: Event) -> None:
        """The same to several servers, at once."""
        pdus = [event.pdu for event in events]
        await asyncio.gather(*(self.send(destination, pdus) for destination in destinations))

    async def join(self, via: str, room_id: str, user_id: str) -> bool:
        """One of its users comes in as users should; whether that was allowed."""
        room, user = quote(room_id, safe=""), quote(user_id, safe="")
        ask = "&".join(f"ver={version}" for version in ROOM_VERSIONS)
        template = await self.ask("GET", via, f"/_matrix/federation/v1/make_join/{room}/{user}?{ask}")
        if template is None:
            return False
        self.version, self.room_id = ROOM_VERSIONS[template["room_version"]], room_id
        pdu = {**template["event"], "origin_server_ts": self.now_ms()}
        if self.version.event_ids == "opaque":
            pdu["event_id"] = self.name_event()
        join = complete_event(pdu, self.version, signing_key=self.key, server_name=self.name)
        path = f"/_matrix/federation/v2/send_join/{room}/{quote(join.event_id, safe='')}"
        answer = await self.ask("PUT", via, path, join.pdu)
        if answer is None:
            return False
        state = self._known(answer["state"])
        self._known(answer["auth_chain"])
        self.state = {event.key: event for event in state if event.key is not None}
        self.learn(join)
        if user_id not in self.users:
            self.users.append(user_id)
        return True

    def hear(self, pdus: Iterable[Any]) -> None:
        """What another server sends in a transaction."""
        for event in self._known(pdus):
            if event.room_id == self.room_id and event.event_id not in self.before:
                self.learn(event)

    def learn(self, event: Event) -> None:
        """An event stands in the room, as far as this server is concerned."""
        self.place(event, self.state)
        if event.key is not None:
            self.state[event.key] = event
        self.ends = [end for end in self.ends if end.event_id not in event.prev_events] + [event]

    def place(self, event: Event, state: State) -> None:
        """An event comes after a state; the room does not follow it."""
        self.events[event.event_id] = event
        self.before[event.event_id] = dict(state)
        self.told.append(event.event_id)

    def make(
        self,
        type_: str,
        content: Mapping[str, Any],
        *,
        sender: str = "",
        state_key: str | None = None,
        prev: Sequence[Event] | None = None,
        state: State | None = None,
        event_id: str = "",
        **fields: Any,
    ) -> Event:
        """An event that is hashed and signed as it should be, and is otherwise whatever is wanted.

        Neither learned nor sent. `state` is where it finds its auth events.
        """
        sender = sender or self.random.choice(self.users)
        parents = list(self.ends[-5:] if prev is None else prev)
        standing = self.state if state is None else state
        keys = auth_types_for(self.version, type_, sender, state_key, content)
        pdu: dict[str, Any] = {
            "type": type_,
            "sender": sender,
            "room_id": self.room_id,
            "content": dict(content),
            "origin_server_ts": self.now_ms(),
            "depth": min(1 + max((parent.depth for parent in parents), default=0), (1 << 53) - 1),
            "prev_events": edges(parents, self.version),
            "auth_events": edges([standing[key] for key in keys if key in standing], self.version),
            **({} if state_key is None else {"state_key": state_key}),
            **fields,
        }
        if self.version.event_ids == "opaque":
            pdu["event_id"] = event_id or self.name_event()
        return complete_event(pdu, self.version, signing_key=self.key, server_name=self.name)

    def name_event(self) -> str:
        """An id where servers name their events."""
        self.made_up += 1
        return f"$evil{self.made_up}:{self.name}"

    def reread(self, pdu: dict[str, Any]) -> Event:
        """The event that somebody else would see in this."""
        return parse_event({key: value for key, value in pdu.items() if key != "unsigned"}, self.version)

    def auth_chain(self, events: Iterable[Event]) -> list[Event]:
        """All that these stand on."""
        found: dict[str, Event] = {}
        waiting = list(events)
        while waiting:
            for event_id in waiting.pop().auth_events:
                if event_id in self.events and event_id not in found:
                    found[event_id] = self.events[event_id]
                    waiting.append(found[event_id])
        return list(found.values())

    def _known(self, pdus: Iterable[Any]) -> list[Event]:
        found = []
        for pdu in pdus:
            try:
                event = self.reread(pdu)
            except InvalidEvent:
                continue
            found.append(self.events.setdefault(event.event_id, event))
        return found
