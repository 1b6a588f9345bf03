"""Which other servers can be reached: one record for each, shared by everything that makes requests.

Only servers that could not be reached have a record; so asking about one that is well costs a look into a dictionary. A
server that fails is left alone for a time that grows; when it is over one attempt is made, and whoever else wants
something waits for how that goes. The records outlive a restart.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.store import destinations as store

logger = logging.getLogger(__name__)

FLUSH_EVERY_S: Final = 5.0
ATTEMPT_S: Final = 90.0
"""For so long an attempt may be under way; then another one is allowed, whatever has become of it."""
SPEAKING_PAUSE_MS: Final = 60_000
"""A server that speaks is tried again, but not sooner than this after the last attempt."""
FIRST_PAUSE_MS: Final = 500
RECORDS: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """How long servers are left alone."""

    first_ms: int = 600_000
    """`federation.destination_min_retry_interval`."""
    multiplier: int = 2
    """`federation.destination_retry_multiplier`."""
    longest_ms: int = 7 * 24 * 3600 * 1000
    """`federation.destination_max_retry_interval`."""
    stumbles: int = 10
    """`federation.max_long_retries`: so often in a row a server that answers with an error of its own is tried again
    soon, before it counts as one that is away."""
    longest_pause_ms: int = 60_000
    """`federation.max_long_retry_delay`: the longest that it is left alone between these."""

    def interval_ms(self, failures: int) -> int:
        """After so many failures in a row, at least one."""
        interval = self.first_ms
        for _ in range(failures - 1):
            interval = self.longer_ms(interval)
            if interval >= self.longest_ms:
                break
        return min(interval, self.longest_ms)

    def pause_ms(self, stumbles: int) -> int:
        """Before a server is tried again that has stumbled so often before."""
        return max(1, min(FIRST_PAUSE_MS << min(stumbles, 20), self.longest_pause_ms))

    def longer_ms(self, interval_ms: int) -> int:
        """After another failure."""
        return min(interval_ms * max(self.multiplier, 1), self.longest_ms)


@dataclass(slots=True, kw_only=True)
class Failing:
    """What is known about a server that cannot be reached, or does not want to be."""

    failure_ts: int
    """Since when."""
    retry_last_ts: int
    """When it was last tried."""
    interval_ms: int
    """For how long after that it is left alone."""
    is_limited: bool = False
    """It lives, and is to be tried again soon: it has said when, or something has gone wrong there."""
    stumbles: int = 0
    """How often in a row it has answered with an error of its own, while it was thought to be well."""
    attempt_until_s: float = 0.0
    """An attempt is under way, at most until then; on the monotonic clock."""
    speaks: bool = False
    """It has been heard since: it may be tried at once."""
    tried_speaking: int = 0
    """How often it was tried in vain because it had been heard."""

    @property
    def retry_ts(self) -> int:
        """When the next attempt may be made."""
        return self.retry_last_ts if self.speaks else self.retry_last_ts + self.interval_ms


class ServerHealth:
    """One a process. `run` keeps the records on disk."""

    def __init__(self, *, db: Database, clock: Clock, back_off: BackOff) -> None:
        self._db = db
        self._clock = clock
        self.back_off = back_off
        self._failing: dict[str, Failing] = {}
        self._unsaved: set[str] = set()
        self.listeners: list[Callable[[str], None]] = []
        """Told which server can be reached again, or may be tried earlier than it seemed."""

    @classmethod
    async def load(cls, *, db: Database, clock: Clock, back_off: BackOff) -> "ServerHealth":
        """With what was known when the process ended. One statement."""
        health = cls(db=db, clock=clock, back_off=back_off)
        now_ms = clock.now_ms()
        for row in await store.failing(db):
            health._failing[row.destination] = Failing(
                failure_ts=row.failure_ts or row.retry_last_ts,
                retry_last_ts=min(row.retry_last_ts, now_ms),
                interval_ms=min(row.retry_interval_ms, back_off.longest_ms),
            )
        return health

    def record(self, destination: str) -> Failing | None:
        """What is known about a server that cannot be reached; `None` if it can, as far as we know."""
        return self._failing.get(destination)

    def wait_ms(self, destination: str) -> int:
        """In how long a request may be made; 0: now. Does not claim the attempt, as `may_try` does."""
        record = self._failing.get(destination)
        if record is None:
            return 0
        left_ms = max(0, record.retry_ts - self._clock.now_ms())
        return left_ms or max(0, round((record.attempt_until_s - self._clock.monotonic()) * 1000))

    def may_try(self, destination: str) -> bool:
        """Whether a request may be made now. After a failure the first one to ask when the time is over may; the others
        have to wait until it has told how it went.
        """
        record = self._failing.get(destination)
        if record is None:
            return True
        if self.wait_ms(destination):
            return False
        record.attempt_until_s = self._clock.monotonic() + ATTEMPT_S
        return True

    def succeeded(self, destination: str) -> None:
        """It has answered."""
        if self._failing.pop(destination, None) is not None:
            self._unsaved.add(destination)
            self._tell(destination)

    def failed(self, destination: str, retry_after_ms: int | None = None) -> None:
        """It has not answered, or has said when to come back.

        What was under way when it was left alone already does not count again.
        """
        now_ms = self._clock.now_ms()
        record = self._failing.get(destination)
        if retry_after_ms is not None:
            self._limit(destination, record, now_ms, retry_after_ms)
            return
        if record is None or record.is_limited:
            self._set(
                destination,
                Failing(failure_ts=now_ms, retry_last_ts=now_ms, interval_ms=self.back_off.interval_ms(1)),
            )
            return
        if now_ms < record.retry_ts:
            return
        record.tried_speaking = record.tried_speaking + 1 if record.speaks else 0
        record.speaks = False
        record.retry_last_ts = now_ms
        record.interval_ms = self.back_off.longer_ms(record.interval_ms)
        record.attempt_until_s = 0.0
        self._unsaved.add(destination)

    def stumbled(self, destination: str) -> None:
        """It has answered with an error of its own: it restarts perhaps, or whoever stands before it does not reach it.

        It is tried again soon, some times; then this is as if it had not answered.
        """
        now_ms = self._clock.now_ms()
        record = self._failing.get(destination)
        stumbles = 0 if record is None else record.stumbles
        if record is not None and now_ms < record.retry_ts:
            return  # It was under way already.
        if (record is not None and not record.is_limited) or stumbles >= self.back_off.stumbles:
            self.failed(destination)
        else:
            self._limit(destination, record, now_ms, self.back_off.pause_ms(stumbles))
            self._failing[destination].stumbles = stumbles + 1

    def gone(self, destination: str) -> None:
        """It says that it is no more (410): left alone for as long as possible, unless it speaks."""
        now_ms = self._clock.now_ms()
        record = self._failing.get(destination)
        since = now_ms if record is None else record.failure_ts
        self._set(destination, Failing(failure_ts=since, retry_last_ts=now_ms, interval_ms=self.back_off.longest_ms))

    def seen(self, destination: str) -> None:
        """It has made a request: it lives, and may be tried now, though perhaps it cannot be reached all the same."""
        record = self._failing.get(destination)
        if record is None or record.is_limited or record.speaks:
            return
        pause_ms = SPEAKING_PAUSE_MS << min(record.tried_speaking, 20)
        if self._clock.now_ms() - record.retry_last_ts >= pause_ms:
            record.speaks = True
            self._tell(destination)

    def reset(self, destination: str) -> bool:
        """Forget that it could not be reached, as an administrator wants; whether there was anything to forget."""
        known = destination in self._failing
        self.succeeded(destination)
        return known

    async def flush(self) -> None:
        """Write down what has changed. One statement, none if nothing has; if it fails, the next flush tries again."""
        if not self._unsaved:
            return
        unsaved, self._unsaved = self._unsaved, set()
        try:
            async with self._db.write() as tx:
                await store.save_health(tx, [self._row(destination) for destination in sorted(unsaved)])
        except DatabaseError as error:
            logger.warning("Could not write down which servers can be reached: %s", error)
            self._unsaved |= unsaved

    async def run(self) -> None:
        """Flush now and then, until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_EVERY_S)
            await self.flush()

    def _limit(self, destination: str, record: Failing | None, now_ms: int, retry_after_ms: int) -> None:
        if record is not None and not record.is_limited:
            self._unsaved.add(destination)  # It lives: what is on disk does not hold any more.
        self._failing[destination] = Failing(
            failure_ts=now_ms,
            retry_last_ts=now_ms,
            interval_ms=max(retry_after_ms, 1),
            is_limited=True,
            stumbles=0 if record is None else record.stumbles,
        )
        self._bound()

    def _set(self, destination: str, record: Failing) -> None:
        self._failing[destination] = record
        self._unsaved.add(destination)
        self._bound()

    def _bound(self) -> None:
        if len(self._failing) > RECORDS:
            del self._failing[next(iter(self._failing))]

    def _row(self, destination: str) -> tuple[str, int, int, int | None]:
        record = self._failing.get(destination)
        if record is None or record.is_limited:
            return destination, 0, 0, None
        return destination, record.retry_last_ts, record.interval_ms, record.failure_ts

    def _tell(self, destination: str) -> None:
        for listener in self.listeners:
            listener(destination)
