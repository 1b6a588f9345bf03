"""A room for the tests of the authorisation rules: unsigned events, and a state that is easy to change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ranvier.proto.auth.error import AuthError
from ranvier.proto.auth.rules import check_event
from ranvier.proto.events import Event, StateKey
from ranvier.proto.room_versions import ROOM_VERSIONS, RoomVersion

ALICE = "@alice:a.example"
"""Creator of the room."""
BOB = "@bob:b.example"
CAROL = "@carol:c.example"

VERSIONS = list(ROOM_VERSIONS)
_numbers = count(1)


def since(first: int) -> list[str]:
    """The room versions from this one on."""
    return [name for name in VERSIONS if int(name) >= first]


def until(last: int) -> list[str]:
    """The room versions up to and with this one."""
    return [name for name in VERSIONS if int(name) <= last]


@dataclass
class Room:
    """A room of one version: the create event, and the state that checks run against."""

    version: RoomVersion
    create: Event
    state: dict[StateKey, Event] = field(default_factory=dict)

    def event(
        self,
        type: str,
        content: Mapping[str, Any] | None = None,
        *,
        sender: str = ALICE,
        state_key: str | None = None,
        prev_events: tuple[str, ...] = ("$earlier",),
        redacts: str | None = None,
        event_id: str | None = None,
    ) -> Event:
        """An event of this room."""
        return make_event(
            self.version,
            self.create.room_id,
            type,
            content or {},
            sender=sender,
            state_key=state_key,
            prev_events=prev_events,
            redacts=redacts,
            event_id=event_id,
        )

    def set(self, type: str, content: Mapping[str, Any], *, sender: str = ALICE, state_key: str = "") -> Event:
        """Put an event into the state without asking the rules."""
        event = self.event(type, content, sender=sender, state_key=state_key)
        self.state[(type, state_key)] = event
        return event

    def member(self, user_id: str, membership: str | None) -> None:
        """Give a user a membership, or none at all."""
        if membership is None:
            self.state.pop(("m.room.member", user_id), None)
        else:
            self.set("m.room.member", {"membership": membership}, sender=user_id, state_key=user_id)

    def members(self, **memberships: str | None) -> None:
        """`members(alice="join", bob=None)`."""
        names = {"alice": ALICE, "bob": BOB, "carol": CAROL}
        for name, membership in memberships.items():
            self.member(names[name], membership)

    def levels(self, content: Mapping[str, Any] | None = None, **users: int) -> Event:
        """Set power levels: any content, with `bob=50` for users (the creator has 100 where it must be said)."""
        names = {"alice": ALICE, "bob": BOB, "carol": CAROL}
        given = {names[name]: level for name, level in users.items()}
        if not self.version.privileged_creators:
            given = {ALICE: 100, **given}
        return self.set("m.room.power_levels", {"users": given, **(content or {})})

    def join_rule(self, rule: object) -> None:
        self.set("m.room.join_rules", {"join_rule": rule})

    def allows(self, event: Event, *, authoriser_signed: bool = True) -> bool:
        """The verdict of the rules on an event on top of the state."""
        try:
            check_event(event, self.state, authoriser_signed=authoriser_signed)
        except AuthError:
            return False
        return True


def make_event(
    version: RoomVersion,
    room_id: str,
    type: str,
    content: Mapping[str, Any],
    *,
    sender: str,
    state_key: str | None = None,
    prev_events: tuple[str, ...] = (),
    auth_events: tuple[str, ...] = (),
    redacts: str | None = None,
    event_id: str | None = None,
) -> Event:
    """An event without hashes and signatures."""
    opaque = f"$event{next(_numbers)}"
    named_by_server = f"{opaque}:{sender.partition(':')[2]}"
    pdu = {"type": type, "sender": sender, "content": dict(content), "room_id": room_id}
    return Event(
        version=version,
        event_id=event_id or (named_by_server if version.event_ids == "opaque" else opaque),
        room_id=room_id,
        type=type,
        sender=sender,
        state_key=state_key,
        content=dict(content),
        origin_server_ts=1,
        depth=1,
        prev_events=prev_events,
        auth_events=auth_events,
        redacts=redacts,
        decoded=pdu,
        json=b"{}",
    )


def make_create(version: RoomVersion, content: Mapping[str, Any] | None = None, *, sender: str = ALICE) -> Event:
    """A create event as the version wants it."""
    base: dict[str, Any] = {"room_version": version.identifier}
    if version.creator_in_content:
        base["creator"] = sender
    create = make_event(
        version,
        "!room:" + sender.partition(":")[2],
        "m.room.create",
        {**base, **(content or {})},
        sender=sender,
        state_key="",
    )
    if version.domainless_room_ids:
        create.room_id = "!" + create.event_id[1:]
        del create.pdu["room_id"]
    return create


def new_room(identifier: str, create_content: Mapping[str, Any] | None = None) -> Room:
    """A room with its creator in it and the join rule `invite`, without power levels."""
    version = ROOM_VERSIONS[identifier]
    create = make_create(version, create_content)
    room = Room(version=version, create=create)
    room.state[("m.room.create", "")] = create
    room.members(alice="join")
    room.join_rule("invite")
    return room
