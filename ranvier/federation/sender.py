"""Sends this server's events and EDUs to other servers.

Spec: server-server API, "Transactions". A listener of the appender puts each local event into the queues of the servers in
its room, which costs no statement; a task for each server that something waits for sends it, one transaction after the
other. Who cannot be reached is left alone as `ServerHealth` says. `run` must be running.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.federation.deliver import Delivering, Refused
from ranvier.federation.destination_queue import DestinationQueue, Entry
from ranvier.federation.event_destinations import EventDestinations
from ranvier.federation.health import ServerHealth
from ranvier.federation.outbox import DurableEdus
from ranvier.federation.pdu_times import PduTimes
from ranvier.federation.progress import Progress
from ranvier.federation.timers import Timers
from ranvier.federation.transaction import edu_body
from ranvier.federation.undelivered import UndeliveredEvents
from ranvier.ports import Clock
from ranvier.rooms.append import Append, MembershipChange
from ranvier.store.events import StoredEvent

logger = logging.getLogger(__name__)

TICK_S: Final = 1.0
FLUSH_EVERY_S: Final = 5.0
FLUSH_QUIET_EVERY_S: Final = 300.0
"""How often the position is written down where nothing has been sent."""
TRY_AGAIN_MS: Final = 10_000
"""After the database has failed, or this code has."""
REFUSALS: Final = 3
"""So often a transaction is sent to a server that says it is bad."""
BAD_TRANSACTION: Final = frozenset({400, 413})


@dataclass(slots=True)
class SentCounters:
    """What other servers have taken since the start."""

    transactions: int = 0
    pdus: int = 0
    edus: int = 0


class Sender:
    """One a process."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        health: ServerHealth,
        delivering: Delivering,
        destinations: EventDestinations,
        undelivered: UndeliveredEvents,
        committed_pos: int,
        sources: Mapping[str, DurableEdus],
        pdu_times: PduTimes,
    ) -> None:
        """`committed_pos`: the appender's, when it becomes its listener; `sources`: durable EDUs by name."""
        self._pdu_times = pdu_times
        self._clock = clock
        self._health = health
        self._delivering = delivering
        self._destinations = destinations
        self._undelivered = undelivered
        self._sources = sources
        self._progress = Progress(db=db, sources=list(sources.values()))
        self._queues: dict[str, DestinationQueue] = {}
        self.counters = SentCounters()
        self._timers = Timers()
        self._changed: set[str] = set()
        """Servers whose progress is not on disk."""
        self._is_due = False
        """Whether the position should be written down soon."""
        self._seen_pos = committed_pos
        self._first_pos = committed_pos
        self._unrouted: deque[tuple[StoredEvent, int]] = deque()
        """Events whose destinations are not known yet."""
        self._routing: asyncio.Task[None] | None = None
        self._flushing = asyncio.Lock()
        self._is_started = False
        self._is_closed = False
        self._flushed_s = clock.monotonic()
        health.listeners.append(self._on_health)

    # What others call.

    @property
    def busy(self) -> int:
        """For how many servers something waits."""
        return sum(queue.has_work for queue in self._queues.values())

    def on_commit(self, batch: Sequence[Append]) -> None:
        """A listener of the appender, behind that of `Hosts`: queue the local events. No statement."""
        changes = self._destinations.remote_changes(batch)
        for append in batch:
            if append.events:
                self._seen_pos = max(self._seen_pos, append.events[-1].stored.stream_pos)
            if append.sends:
                self._queue_append(append, changes.get(append.room.room_nid, ()))
            elif any(self._destinations.is_ours(entry.stored) for entry in append.events):
                self._is_due = True  # Others have sent it: after a restart it would look as if it were to be sent.

    def send_event(self, stored: StoredEvent, destinations: Collection[str]) -> None:
        """Queue an event for these servers, whoever's it is."""
        self._queue(Entry(stored.event_nid, stored.stream_pos), destinations)

    def queue_edu(
        self,
        destinations: Iterable[str],
        edu_type: str,
        content: dict[str, Any],
        *,
        key: Hashable = None,
        keep: bool = True,
    ) -> None:
        """Queue an EDU; it takes the place of one with the same key that has not been sent yet.

        It is encoded once. With `keep=False` it is not kept for servers that cannot be reached now. Raises
        `NotCanonical` for content that has no canonical JSON.
        """
        body: bytes | None = None
        unique: Hashable = object() if key is None else key
        for destination in sorted(destinations):
            if not keep and self._health.wait_ms(destination):
                continue
            queue = self._queue_of(destination)
            if queue is not None:
                body = body or edu_body(edu_type, content)
                queue.add_edu(unique, body)
                self._wake(queue)

    def wake(self, destinations: Iterable[str], source: str) -> None:
        """Something durable waits for these servers, and is committed."""
        for destination in sorted(destinations):
            queue = self._queue_of(destination)
            if queue is not None:
                queue.sources.add(source)
                self._wake(queue)

    def waiting(self, destination: str) -> int:
        """How many events wait for a server in memory."""
        queue = self._queues.get(destination)
        return 0 if queue is None else len(queue.pdus) + len(queue.catching_up)

    def has_work_for(self, destination: str) -> bool:
        """Whether anything is to be sent to a server, in memory or not yet read again."""
        queue = self._queues.get(destination)
        return queue is not None and queue.has_work

    def last_successful_pos(self, destination: str) -> int | None:
        """The stream position of the last event that was delivered to a server, if it is newer than what is on disk."""
        queue = self._queues.get(destination)
        return None if queue is None else queue.last_successful_pos

    async def run(self) -> None:
        """Send what an earlier run has left, wake servers when it is time, and write down progress, until cancelled."""
        while not self._is_started:
            try:
                await self._start()
            except DatabaseError as error:
                logger.warning("Could not find what is still to be sent to other servers: %s", error)
                await self._clock.sleep(TRY_AGAIN_MS / 1000)
        while True:
            await self._clock.sleep(TICK_S)
            for destination in self._timers.due(self._clock.monotonic()):
                self._rouse(destination)
            quiet_s = self._clock.monotonic() - self._flushed_s
            if quiet_s >= (FLUSH_EVERY_S if self._changed or self._is_due else FLUSH_QUIET_EVERY_S):
                await self.flush()

    async def flush(self) -> None:
        """Write down how far everybody is, if that has changed. At most one transaction; if it fails, the next tries."""
        async with self._flushing:  # An older state must not be written after a newer one.
            self._flushed_s = self._clock.monotonic()
            sent_pos = self._routed_pos()
            if not self._is_started or (not self._changed and sent_pos == self._progress.sent_pos):
                return
            changed, self._changed = self._changed, set()
            self._is_due = False
            try:
                await self._progress.flush(self._queues.values(), sent_pos, changed)
            except DatabaseError as error:
                logger.warning("Could not write down what has been sent to other servers: %s", error)
                self._changed |= changed
                return
            for destination in changed - self._changed:
                self._forget_idle(destination)

    async def crash(self) -> None:
        """Stop sending and write nothing. What is on its way may be sent again after a start."""
        self._is_closed = True
        tasks = [queue.task for queue in self._queues.values() if queue.task is not None]
        tasks += [] if self._routing is None else [self._routing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop sending, and write down how far everybody is."""
        await self.crash()
        await self.flush()

    # Which server gets what.

    async def _start(self) -> None:
        until = self._first_pos
        for destination, acked_pos in (await self._progress.load(until)).items():
            queue = self._queue_of(destination)
            if queue is not None:
                queue.unread_since = acked_pos
        await self._undelivered.between(self._progress.sent_pos, until, self._queue)
        waiting = {name: await source.destinations() for name, source in self._sources.items()}
        self._is_started = True
        self._route_later()
        for queue in list(self._queues.values()):
            self._wake(queue)
        for name, destinations in waiting.items():
            self.wake(destinations, name)

    def _queue_append(self, append: Append, changes: Sequence[MembershipChange]) -> None:
        for appended in append.events:
            stored = appended.stored
            if not self._destinations.is_ours(stored):
                continue
            known = None
            if self._is_started and not self._unrouted:
                known = self._destinations.known(append.room, stored, changes)
            if known is None:
                self._unrouted.append((stored, stored.stream_pos))
                self._route_later()
            else:  # If the last of us has left, the one server that is there may be another.
                self._queue(Entry(stored.event_nid, stored.stream_pos), known)

    def _route_later(self) -> None:
        if self._unrouted and self._routing is None and self._is_started and not self._is_closed:
            self._routing = asyncio.create_task(self._route(), name="federation routing")

    async def _route(self) -> None:
        """Find out where events go whose rooms are not in memory, in their order."""
        try:
            while self._unrouted:
                stored, stream_pos = self._unrouted[0]
                try:
                    destinations = await self._destinations.of(stored)
                except DatabaseError as error:
                    logger.warning("Could not find out which servers are in %s: %s", stored.event.room_id, error)
                    await self._clock.sleep(TRY_AGAIN_MS / 1000)
                    continue
                except Exception:
                    logger.exception("Could not find out where %s goes", stored.event.event_id)
                    destinations = frozenset()
                self._queue(Entry(stored.event_nid, stream_pos), destinations)
                self._unrouted.popleft()
        finally:
            self._routing = None

    def _queue(self, entry: Entry, destinations: Iterable[str]) -> None:
        for destination in sorted(destinations):
            queue = self._queue_of(destination)
            if queue is not None:
                queue.add(entry)
                self._changed.add(destination)
                self._wake(queue)

    def _queue_of(self, destination: str) -> DestinationQueue | None:
        """The queue of a server; `None` if nothing may be sent to it."""
        queue = self._queues.get(destination)
        if queue is None and self._destinations.may_send_to(destination):
            queue = self._queues[destination] = DestinationQueue(destination)
        return queue

    def _routed_pos(self) -> int:
        """Everything up to here is in the queues."""
        return self._unrouted[0][1] - 1 if self._unrouted else self._seen_pos

    # When it is sent.

    def _wake(self, queue: DestinationQueue) -> None:
        if queue.task is None and not queue.is_resting and self._is_started and not self._is_closed:
            queue.task = asyncio.create_task(self._send(queue), name=f"federation {queue.destination}")

    def _rouse(self, destination: str) -> None:
        """The time that a server is left alone is over, or it has been heard."""
        queue = self._queues.get(destination)
        if queue is not None and queue.is_resting:
            queue.is_resting = False
            if queue.has_work:
                self._wake(queue)

    def _on_health(self, destination: str) -> None:
        queue = self._queues.get(destination)
        if queue is not None and not queue.refusals:
            self._rouse(destination)

    def _rest(self, queue: DestinationQueue, wait_ms: int) -> None:
        queue.is_resting = True
        self._timers.set(queue.destination, self._clock.monotonic() + max(wait_ms, 1) / 1000)

    async def _send(self, queue: DestinationQueue) -> None:
        """Send what waits for a server until nothing does, or it has to be left alone."""
        wait_ms = 0
        try:
            while queue.has_work and not wait_ms:
                wait_ms = self._health.wait_ms(queue.destination) or await self._send_once(queue)
        except DatabaseError as error:
            logger.warning("Could not read what is to be sent to %s: %s", queue.destination, error)
            wait_ms = TRY_AGAIN_MS
        except Exception:
            logger.exception("Sending to %s has failed", queue.destination)
            wait_ms = self._health.back_off.interval_ms(1)
        finally:
            queue.task = None
        if wait_ms:
            self._rest(queue, wait_ms)
        elif queue.has_work:
            self._wake(queue)

    async def _send_once(self, queue: DestinationQueue) -> int:
        """One transaction; for how long the server has to be left alone then, 0 if not at all."""
        if queue.on_the_way is None:
            if queue.unread_since is not None:
                await self._catch_up(queue)
            await self._delivering.fill(queue)
        transaction = queue.on_the_way
        if transaction is None:
            return 0
        try:
            await self._delivering.deliver(queue.destination, transaction)
        except Refused as refusal:
            if queue.catching_up:
                queue.let_go()
            return self._refused(queue, refusal)
        queue.delivered(transaction)
        self.counters.transactions += 1
        self.counters.pdus += len(transaction.events)
        self.counters.edus += len(transaction.edus)
        self._pdu_times.sent(queue.destination, transaction.events)
        self._changed.add(queue.destination)
        return 0

    def _refused(self, queue: DestinationQueue, refusal: Refused) -> int:
        """For how long the server is left alone."""
        wait_ms = self._health.wait_ms(queue.destination)
        if wait_ms:
            return wait_ms
        queue.refusals += 1
        if refusal.status in BAD_TRANSACTION and queue.refusals >= REFUSALS and queue.on_the_way is not None:
            # It will never be taken. The server finds out what it lacks with the next events, and can ask for it.
            logger.warning("%s does not take a transaction, which is given up: %s", queue.destination, refusal)
            self._delivering.finish(queue.destination, queue.on_the_way)
            queue.delivered(queue.on_the_way)
            return 0
        return self._health.back_off.interval_ms(queue.refusals)

    async def _catch_up(self, queue: DestinationQueue) -> None:
        until = self._seen_pos
        since = queue.begin_reading()
        try:
            found = await self._undelivered.of(queue.destination, since, until)
        except BaseException:
            queue.let_go()
            raise
        queue.has_read(found.entries, is_everything=found.is_everything)
        self._changed.add(queue.destination)

    def _forget_idle(self, destination: str) -> None:
        queue = self._queues.get(destination)
        if queue is not None and queue.task is None and not queue.is_resting and not queue.has_work:
            del self._queues[destination]
            self._progress.forget(destination)
