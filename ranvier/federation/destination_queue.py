"""What waits for one server, in memory.

Events are numbers until they are sent. When too many wait, all of them are let go, and the place from which the database
has to be read is kept instead: a server that is away for long costs a few bytes.
"""

import asyncio
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ranvier.federation.transaction import MAX_EDUS, MAX_PDUS
from ranvier.proto.events import Event

MAX_WAITING: Final = 1000
"""Events; when there are more, the server will be told the latest of each room and can ask for the rest."""
MAX_WAITING_EDUS: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """An event that waits; one object for all servers."""

    event_nid: int
    stream_pos: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction on its way. It stays the same however often it has to be sent."""

    txn_id: str
    origin_server_ts: int
    entries: tuple[Entry, ...]
    events: tuple[Event, ...]
    edus: tuple[bytes, ...]
    durable: Mapping[str, int]
    """By source of durable EDUs the number of the reading that is in it."""


@dataclass(slots=True)
class DestinationQueue:
    """One server's queue."""

    destination: str
    pdus: deque[Entry] = field(default_factory=deque)
    unread_since: int | None = None
    """Events after this stream position have to be read from the database first."""
    catching_up: deque[Entry] = field(default_factory=deque)
    """What was read; it goes before `pdus`."""
    caught_up_from: int | None = None
    """Only what is up to here counts as delivered until `catching_up` is."""
    taken: tuple[Entry, ...] = ()
    """What is being put into a transaction."""
    edus: dict[Hashable, bytes] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    """Where durable EDUs may wait."""
    on_the_way: Transaction | None = None
    last_successful_pos: int | None = None
    refusals: int = 0
    """How often in a row it has answered that it does not want this transaction."""
    is_resting: bool = False
    """It is left alone: a timer or news of it will wake it."""
    task: asyncio.Task[None] | None = None

    def add(self, entry: Entry) -> None:
        """An event is to be sent."""
        if self.unread_since is not None:
            return  # Reading will find it.
        self.pdus.append(entry)
        if len(self.pdus) > MAX_WAITING:
            self.let_go()

    def let_go(self) -> None:
        """Drop the events that wait; they will be read again."""
        first = self._first_waiting()
        if first is not None:
            self.unread_since = first - 1
        self.pdus.clear()
        self.catching_up.clear()
        self.caught_up_from = None

    def begin_reading(self) -> int:
        """From here on it is being read what has to be; what comes meanwhile waits behind that."""
        assert self.unread_since is not None
        self.caught_up_from, self.unread_since = self.unread_since, None
        return self.caught_up_from

    def has_read(self, entries: Sequence[Entry], *, is_everything: bool) -> None:
        """This was found; if it is not everything, nothing of it counts as delivered before all of it is."""
        if self.unread_since is not None:
            return  # Too much has come meanwhile: it will be read anew.
        self.catching_up.extend(entries)
        if is_everything or not entries:
            self.caught_up_from = None

    def add_edu(self, key: Hashable, body: bytes) -> None:
        """An EDU is to be sent, in the place of one with the same key that still waits."""
        self.edus[key] = body
        if len(self.edus) > MAX_WAITING_EDUS:
            del self.edus[next(iter(self.edus))]

    @property
    def has_work(self) -> bool:
        """Whether there is anything to send."""
        return bool(
            self.on_the_way
            or self.pdus
            or self.catching_up
            or self.unread_since is not None
            or self.edus
            or self.sources
        )

    def take_pdus(self) -> tuple[Entry, ...]:
        """The next events, for a transaction: `send` follows, or `put_back`."""
        waiting = self.catching_up or self.pdus
        self.taken = tuple(waiting.popleft() for _ in range(min(MAX_PDUS, len(waiting))))
        return self.taken

    def put_back(self) -> None:
        """No transaction has come of it."""
        self.catching_up.extendleft(reversed(self.taken))
        self.taken = ()

    def send(self, transaction: Transaction | None) -> None:
        """What was taken is on the way; `None` if it turned out that there is nothing."""
        self.on_the_way = transaction
        self.taken = ()
        if transaction is None:
            self._end_catching_up()

    def take_edus(self, limit: int = MAX_EDUS) -> list[bytes]:
        """The next EDUs, for a transaction."""
        keys = [key for key, _ in zip(self.edus, range(limit), strict=False)]
        return [self.edus.pop(key) for key in keys]

    def delivered(self, transaction: Transaction) -> None:
        """The transaction has been acknowledged."""
        self.on_the_way = None
        self.refusals = 0
        for entry in transaction.entries:
            self.last_successful_pos = max(self.last_successful_pos or 0, entry.stream_pos)
        self._end_catching_up()

    def first_missing(self) -> int | None:
        """The position of the first event that has not been delivered; `None` if all have been."""
        entries = (*self.taken, *(() if self.on_the_way is None else self.on_the_way.entries))
        positions = [entry.stream_pos for entry in entries]
        waiting = self._first_waiting()
        if waiting is not None:
            positions.append(waiting)
        return min(positions, default=None)

    def _end_catching_up(self) -> None:
        if not self.catching_up:
            self.caught_up_from = None

    def _first_waiting(self) -> int | None:
        positions = [entry.stream_pos for entry in (*self.catching_up, *self.pdus)]
        positions += [since + 1 for since in (self.unread_since, self.caught_up_from) if since is not None]
        return min(positions, default=None)
