"""Events on their way into a room, with what is known of them before they are judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ranvier.proto.events import Event
from ranvier.rooms.room import Room
from ranvier.rooms.write import TxnRow
from ranvier.store.events import StoredEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One event to take in, its checks 1 to 3 done."""

    event: Event
    authoriser_signed: bool = True
    """Whether the server of `join_authorised_via_users_server` has signed it."""
    spam: bool = False
    """Whether the room's policy server refuses it: it will be soft-failed."""
    state: Sequence[StoredEvent] | None = None
    """The state before it as another server told it, where its `prev_events` are not all known."""
    guesses_state: bool = False
    """In a partially joined room: whether the state where its `prev_events` are not all known is taken to be partial,
    like that before the join, until it can be asked for."""
    is_new: bool = False
    """Whether it was made here just now, and is for this server to send to others."""
    below: int | None = None
    """For history: the position that it stands below. What is new in the room has `None`."""
    txn: TxnRow | None = None
    """Of what was made here: the request behind it."""


class Judging(Protocol):
    """Policy servers of rooms (`m.room.policy`), check 7."""

    async def judged(self, room: Room, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """The same events, as far as they are new signed by the room's policy server or marked as `spam`."""
        ...
