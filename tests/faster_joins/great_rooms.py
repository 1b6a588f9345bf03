"""Rooms of many members and long auth chains, made without a network."""

from collections.abc import Sequence
from typing import Any, Final

from ranvier.proto.events import Event, StateKey
from tests.faster_joins.room import MEMBER, ScriptedRoom

SERVERS: Final = 50
HQ_STATE: Final = 85_000
HQ_CHAIN: Final = 200_000
HQ_ADMINS: Final = 20
HQ_LEVELS: Final = 900
"""How often the power levels have changed."""
HQ_USERS: Final = 800
"""How many users have power in the end: 23 kB of them."""
HQ_OTHERS: Final = 60
"""Entries of other kinds."""


class _Growing:
    """A room that grows along one line, and whose states are not kept in between."""

    def __init__(self, room: ScriptedRoom) -> None:
        self.room = room
        self.state: dict[StateKey, Event] = dict(room.state)
        self.last = room.ends[0]

    @property
    def fixed(self) -> list[Event]:
        """What every event stands on."""
        return [self.state["m.room.create", ""], self.state["m.room.power_levels", ""]]

    def put(self, type_: str, content: dict[str, Any], auth: Sequence[Event], *, sender: str, state_key: str) -> Event:
        """The next event, which stands on these besides."""
        auth = [*self.fixed, *auth]
        event = self.room.make(
            type_, content, sender=sender, state_key=state_key, after=[self.last], state={}, auth=auth
        )
        self.room.events[event.event_id] = self.last = self.state[type_, state_key] = event
        return event

    def join(self, user_id: str, name: str) -> Event:
        """Somebody joins, or is in the room and has another name."""
        former = self.state.get((MEMBER, user_id))
        auth = [self.state["m.room.join_rules", ""], *([] if former is None else [former])]
        return self.put(MEMBER, {"membership": "join", "displayname": name}, auth, sender=user_id, state_key=user_id)

    def finish(self) -> None:
        """The room stands."""
        self.room.before[self.last.event_id] = {
            key: event for key, event in self.state.items() if event is not self.last
        }
        self.room.ends = [self.last]


def populate(room: ScriptedRoom, members: int) -> None:
    """Let so many join, every second of them twice: its auth chain has half as many events as the room has members."""
    growing = _Growing(room)
    for number in range(members):
        for name in ("first", "second")[: 1 + number % 2]:
            growing.join(_user(number), f"The {name} name of {number}")
    growing.finish()


def like_matrix_hq(room: ScriptedRoom) -> None:
    """The shape of Matrix HQ: 85,000 entries of state, 200,000 events behind them; 3,400 are behind those that are no
    members, among them power levels of up to 23 kB.
    """
    growing = _Growing(room)
    creator = room.creator
    admins = [_user(number) for number in range(HQ_ADMINS)]
    for admin in admins:
        growing.join(admin, "Admin")
    powerful = {creator: 100} | dict.fromkeys(admins, 99)
    for number in range(HQ_LEVELS):
        if number < HQ_USERS:
            powerful[_user(HQ_ADMINS + number)] = 50
        sender = admins[number % HQ_ADMINS] if number else creator
        users = powerful | {_user(HQ_ADMINS + number % HQ_USERS): number % 40}
        growing.put(
            "m.room.power_levels", {"users": users}, [growing.state[MEMBER, sender]], sender=sender, state_key=""
        )
        if number % 2:
            growing.put(
                f"org.example.entry{number % HQ_OTHERS}", {"n": number}, [growing.state[MEMBER, sender]],
                sender=sender, state_key="",
            )  # fmt: skip
        for step in range(2 + number % 2):
            growing.join(admins[(number + 1 + step) % HQ_ADMINS], f"Admin since {number}")
    members = HQ_STATE - len(growing.state)
    joins = HQ_STATE + HQ_CHAIN - len(room.events)
    for number in range(joins):
        growing.join(_user(HQ_ADMINS + number % members), f"Name {number // members}")
    growing.finish()


def _user(number: int) -> str:
    return f"@user{number}:server{number % SERVERS}.test"
