"""Fetching the full state of partially joined rooms: one durable job a room.

MSC3902. The state before the join is asked for at one server after the other until one tells it; then the events since
are replayed (`rooms.replay`) and the room becomes full (`rooms.become_full`). What fails is tried again, later and later;
after some days the room is left, and its users see why. How far it has come is on disk.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial as bound
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.fetch_full_state import FullStateFetch
from ranvier.federation.gaps import GapError, Gaps
from ranvier.federation.keys import ServerKeys
from ranvier.federation.paths import path
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError
from ranvier.proto.events import Event
from ranvier.rooms.become_full import BecomingFull, Questions
from ranvier.rooms.full_state import DoubtfulState, FullStates, ToldState
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.replay import Replay, Told
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store import partial_state
from ranvier.store.events import StoredEvent

logger = logging.getLogger(__name__)

AT_ONCE: Final = 4
"""How many rooms are fetched at the same time."""
SERVERS: Final = 6
"""How many servers are asked in one attempt."""
FIRST_MS: Final = 2_000
LONGEST_MS: Final = 600_000
IDLE_S: Final = 3_600.0
ALONE_AFTER: Final = 3
"""After so many failed attempts one server is believed alone, if it is not the one that made the event."""
WITHOUT_REFUSED_AFTER: Final = 1
"""After so many events of the state whose signatures nobody can check are done without."""
GUESS_AFTER_MS: Final = 3_600_000
"""So long after the join the state before a later event that nobody can tell is guessed."""
DOUBTS: Final = 3
"""A state that contradicts the one that the join came with is believed when it has been told so many times."""


@dataclass(slots=True)
class ResyncCounters:
    """What has been done since the start, for those who watch."""

    attempts: int = 0
    failed_attempts: int = 0
    completed: int = 0
    """Rooms that have become full."""
    given_up: int = 0
    """Rooms that were left, because nobody told their full state."""
    members: int = 0
    """Of the rooms that have become full."""
    replayed: int = 0
    """Events that were put into their full states."""
    seconds: float = 0.0
    """From the joins until the rooms were full, added up."""


Leave = Callable[[PartialRoom], Awaitable[None]]
"""Lets every local user leave the room."""


class Resyncs:
    """The jobs. `run` has to be running."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        rooms: Rooms,
        client: FederationClient,
        gaps: Gaps,
        keys: ServerKeys,
        fetch: FullStateFetch,
        full_states: FullStates,
        becoming_full: BecomingFull,
        hosts_of: Callable[[Room], Awaitable[Collection[str]]],
        leave: Leave,
        give_up_ms: int,
        server_name: str,
    ) -> None:
        """`give_up_ms` after a join the room is left, if its full state could not be had."""
        self._give_up_ms = give_up_ms
        self._db = db
        self._clock = clock
        self._rooms = rooms
        self._client = client
        self._gaps = gaps
        self._keys = keys
        self._fetch_states = fetch
        self._full_states = full_states
        self._becoming_full = becoming_full
        self._hosts_of = hosts_of
        self._leave = leave
        self._server_name = server_name
        self._running: dict[int, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self.counters = ResyncCounters()
        self._doubted: dict[tuple[int, int], int] = {}
        """By room and state how many times it was told."""
        rooms.partials.on_begun.append(lambda partial: self._woken.set())
        rooms.partials.on_ended.append(self._ended)

    @property
    def is_busy(self) -> bool:
        """Whether a room is being fetched right now."""
        return bool(self._running)

    async def run(self) -> None:
        """Fetch what is due, until cancelled."""
        try:
            while True:
                self._woken.clear()
                self._start_due()
                await self._pause()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Leave everything as it is: it is on disk."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pause(self) -> None:
        """Until a room has come or gone, or the next one is due."""
        waiting = [one.next_try_ms for one in self._rooms.partials.every() if one.room_nid not in self._running]
        pause_s = IDLE_S
        if waiting and len(self._running) < AT_ONCE:
            pause_s = min(IDLE_S, max(0.0, (min(waiting) - self._clock.now_ms()) / 1000))
        sleeping = asyncio.ensure_future(self._clock.sleep(pause_s))
        waking = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait([sleeping, waking], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()

    def _start_due(self) -> None:
        now = self._clock.now_ms()
        due = [
            one for one in self._rooms.partials.every() if one.next_try_ms <= now and one.room_nid not in self._running
        ]
        # Where people are talking now, they are waiting now.
        due.sort(key=self._last_pos, reverse=True)
        for partial in due[: AT_ONCE - len(self._running)]:
            task = asyncio.ensure_future(self._resync(partial))
            self._running[partial.room_nid] = task
            task.add_done_callback(bound(self._done, partial.room_nid))

    def _last_pos(self, partial: PartialRoom) -> int:
        room = self._rooms.active(partial.room_nid)
        return 0 if room is None else room.last_pos

    def _done(self, room_nid: int, task: asyncio.Task[None]) -> None:
        if self._running.get(room_nid) is task:
            del self._running[room_nid]
        if not task.cancelled() and task.exception() is not None:
            logger.error("The resync of a room has failed", exc_info=task.exception())
        self._woken.set()

    def _ended(self, partial: PartialRoom) -> None:
        task = self._running.get(partial.room_nid)
        if task is not None and partial.room_nid not in self._rooms.partials.full_since:
            task.cancel()  # Nobody is in the room any more.
        self._doubted = {key: times for key, times in self._doubted.items() if key[0] != partial.room_nid}

    async def _resync(self, partial: PartialRoom) -> None:
        """One attempt."""
        if not partial.tries:
            logger.info("Fetching the full state of %s, joined through %s", partial.room_id, partial.joined_via)
        self.counters.attempts += 1
        try:
            problem = await self._attempt(partial)
        except (DatabaseError, MatrixError) as error:
            problem = str(error)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # What one room's events do must not end the fetching of the others.
            logger.exception("The resync of %s has failed", partial.room_id)
            problem = repr(error)
        if problem is None or self._rooms.partials.of(partial.room_nid) is not partial:
            return
        await self._try_later(partial, problem)

    async def _attempt(self, partial: PartialRoom) -> str | None:
        """What has gone wrong, if anything."""
        room = await self._rooms.get(partial.room_id)
        servers = await self._servers(room, partial)
        if partial.full_state_no is None:
            problem = await self._fetch(room, partial, servers)
            if problem is not None:
                return problem
        told = Told()
        replay: Replay | None = None
        while True:
            step = await self._becoming_full.advance(partial.room_id, told, replay)
            if step is None:
                break
            if isinstance(step, Questions):
                problem = await self._answer(room, partial, step, told, servers)
                if problem is not None:
                    return problem
            else:
                replay = step
            await self._clock.sleep(0)
        if partial.room_nid in self._rooms.partials.full_since:
            taken_s = (self._clock.now_ms() - partial.started_ts) / 1000
            self.counters.completed += 1
            self.counters.members += partial.members
            self.counters.replayed += partial.replayed
            self.counters.seconds += taken_s
            logger.info(
                "%s has its full state after %.1f s: %d members, %d events replayed",
                partial.room_id,
                taken_s,
                partial.members,
                partial.replayed,
            )
        return None

    async def _fetch(self, room: Room, partial: PartialRoom, servers: Sequence[str]) -> str | None:
        (join,) = (await self._rooms.cache.by_id([partial.join_event_id])).values()
        problem = "No server is known that is in the room"
        for server in servers:
            partial.asked.append(server)
            try:
                told = await self._ask(room, partial, join.event, server, servers)
                await self._check(partial, told)
            except (GapError, RemoteError, Unreachable, DoubtfulState) as error:
                problem = f"{server}: {error}"
                if isinstance(error, RemoteError) and error.status in (403, 404):
                    await self._introduce(join.event, server)
                logger.info("%s does not tell the full state of %s: %s", server, partial.room_id, error)
            else:
                await self._full_states.save(partial, told)
                return None
        return problem

    async def _ask(
        self, room: Room, partial: PartialRoom, join: Event, server: str, servers: Sequence[str]
    ) -> ToldState:
        fetch = self._fetch_states
        without_refused = partial.tries >= WITHOUT_REFUSED_AFTER
        if partial.is_begun:
            return await fetch.what_is_missing(room, join, server, without_refused=without_refused)
        try:
            return await fetch.at_once(
                room, join, server, others=servers, all_known=partial.begun_with, without_refused=without_refused
            )
        except RemoteError:
            raise  # It tells nothing.
        except BaseException:
            # Some of it is stored perhaps, and need not be told again.
            partial.is_begun, partial.begun_with = True, None
            raise

    async def _introduce(self, join: Event, server: str) -> None:
        """A server that has not heard of the join cannot tell us anything, so it is told of it.

        That is for the resident server to do that let us in, but nobody knows when it will, or whether it still can.
        """
        now = self._clock.now_ms()
        body = {"origin": self._server_name, "origin_server_ts": now, "edus": [], "pdus": [join.pdu]}
        try:
            await self._client.put(server, path("v1", "send", f"join{now}"), content=body)
        except (RemoteError, Unreachable) as error:
            logger.info("%s cannot be told of our join: %s", server, error)

    async def _check(self, partial: PartialRoom, told: ToldState) -> None:
        try:
            await self._full_states.check(partial, told)
        except DoubtfulState:
            key = partial.room_nid, hash(frozenset(told.entries.items()))
            self._doubted[key] = self._doubted.get(key, 0) + 1
            if self._doubted[key] < DOUBTS:
                raise

    async def _answer(
        self, room: Room, partial: PartialRoom, questions: Questions, told: Told, servers: Sequence[str]
    ) -> str | None:
        """Ask for what is needed; what has gone wrong, if anything."""
        for stored in questions.states:
            state = await self._state_before(room, partial, stored, servers)
            if state is None and self._clock.now_ms() - partial.started_ts < GUESS_AFTER_MS:
                return f"Nobody tells the state before {stored.event.event_id}"
            told.states[stored.event_nid] = state
        events = [stored.event for stored in questions.signatures]
        if events:
            for stored, verdict in zip(questions.signatures, await self._keys.verify_events(events), strict=True):
                (told.well_signed if verdict.authoriser_signed else told.badly_signed).add(stored.event_nid)
        return None

    async def _state_before(
        self, room: Room, partial: PartialRoom, stored: StoredEvent, servers: Sequence[str]
    ) -> Sequence[StoredEvent] | None:
        maker = stored.event.sender.partition(":")[2]
        asked = [server for server in dict.fromkeys([*servers, maker]) if server != self._server_name]
        try:
            is_last = partial.tries >= ALONE_AFTER
            return await self._gaps.agreed_state(room, stored.event, asked, is_last=is_last)
        except GapError as error:
            logger.warning("The state before %s in %s is not known: %s", stored.event.event_id, room.room_id, error)
            return None

    async def _servers(self, room: Room, partial: PartialRoom) -> list[str]:
        """Whom to ask: who has let us in, then those who have not been asked for the longest time."""
        others = {*partial.servers, *await self._hosts_of(room)} - {self._server_name, partial.joined_via}
        last_asked = {server: at for at, server in enumerate(partial.asked)}
        ordered = sorted(others, key=lambda server: (last_asked.get(server, -1), server))
        return [partial.joined_via, *ordered][:SERVERS]

    async def _try_later(self, partial: PartialRoom, problem: str) -> None:
        self.counters.failed_attempts += 1
        now = self._clock.now_ms()
        if now - partial.started_ts > self._give_up_ms:
            self.counters.given_up += 1
            logger.error("The full state of %s could not be had, so it is left: %s", partial.room_id, problem)
            await self._leave(partial)
            return
        partial.next_try_ms = now + min(LONGEST_MS, FIRST_MS << min(partial.tries, 20))
        partial.tries += 1
        partial.last_error = problem
        partial.asked = partial.asked[-2 * SERVERS :]
        async with self._db.write() as tx:
            await partial_state.save_try(
                tx, partial.room_nid, tries=partial.tries, next_try_ts=partial.next_try_ms, error=problem
            )
