"""A room as another server has it: makes events, and knows the state after each of them as long as nothing is in conflict."""

from collections.abc import Mapping, Sequence
from typing import Any

from ranvier.proto.auth.select import auth_types_for
from ranvier.proto.event_build import build_event
from ranvier.proto.events import Event, StateKey
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.proto.signing import SigningKey
from ranvier.rooms.arrive import ResidentAnswer
from ranvier.store.events import StoredEvent
from tests.api.homeserver import Homeserver

State = dict[StateKey, Event]


class RemoteRoom:
    """Everybody signs with the same key: signatures are not what is tested here."""

    def __init__(self, *, version: str = "11", server: str = "remote.test", public: bool = True) -> None:
        self.version = ROOM_VERSIONS[version]
        self.server = server
        self.creator = f"@creator:{server}"
        self.key = SigningKey("ed25519:a", bytes(32))
        self.time = 1_000
        self._random = 0
        self.after: dict[str, State] = {}
        """The state after each event."""
        self.events: dict[str, Event] = {}
        self.room_id = "" if self.version.domainless_room_ids else f"!room:{server}"
        content = {"room_version": version, "creator": self.creator}
        self.create = self.say("m.room.create", content, prev=[], state_key="")
        self.room_id = self.create.room_id
        self.tip = self.create
        self.tell("m.room.member", {"membership": "join"}, state_key=self.creator)
        levels: dict[str, Any] = {"users": {} if self.version.domainless_room_ids else {self.creator: 100}}
        self.tell("m.room.power_levels", levels, state_key="")
        self.tell("m.room.join_rules", {"join_rule": "public" if public else "invite"}, state_key="")

    def say(
        self,
        type_: str,
        content: dict[str, Any],
        *,
        prev: Sequence[Event],
        sender: str = "",
        state_key: str | None = None,
        state: Mapping[StateKey, Event] | None = None,
        redacts: str | None = None,
    ) -> Event:
        """An event after these; `state` is what it cites, if that is not the state after the first of them."""
        sender = sender or self.creator
        before = dict(state if state is not None else self.after[prev[0].event_id] if prev else {})
        keys = auth_types_for(self.version, type_, sender, state_key, content)
        self.time += 1
        event = build_event(
            version=self.version,
            room_id=self.room_id or None,
            type=type_,
            sender=sender,
            state_key=state_key,
            content=content,
            origin_server_ts=self.time,
            depth=1 + max((parent.depth for parent in prev), default=0),
            prev_events=list(prev),
            auth_events=[before[key] for key in keys if key in before],
            signing_key=self.key,
            server_name=sender.partition(":")[2],
            random=self._bytes,
            redacts=redacts,
        )
        self.events[event.event_id] = event
        self.after[event.event_id] = before | ({} if event.key is None else {event.key: event})
        return event

    def tell(self, type_: str, content: dict[str, Any], *, sender: str = "", state_key: str | None = None) -> Event:
        """An event at the end of the room."""
        self.tip = self.say(type_, content, prev=[self.tip], sender=sender, state_key=state_key)
        return self.tip

    def join(self, user_id: str) -> Event:
        """Somebody joins at the end."""
        return self.tell("m.room.member", {"membership": "join"}, sender=user_id, state_key=user_id)

    def auth_chain(self, events: Sequence[Event]) -> list[Event]:
        """All that these stand on."""
        found: dict[str, Event] = {}
        waiting = list(events)
        while waiting:
            for event_id in waiting.pop().auth_events:
                if event_id not in found:
                    found[event_id] = self.events[event_id]
                    waiting.append(found[event_id])
        return list(found.values())

    async def let_in(self, server: Homeserver, user_id: str) -> StoredEvent:
        """A user of the server under test joins, as after `send_join`."""
        before = self.tip
        join = self.join(user_id)
        state = list(self.after[before.event_id].values())
        answer = ResidentAnswer(state=state, auth_chain=self.auth_chain([*state, join]), join=join)
        return await server.server.rooms.arriving.begin(self.version, self.room_id, answer)

    def _bytes(self, size_bytes: int) -> bytes:
        self._random += 1
        return self._random.to_bytes(size_bytes)
