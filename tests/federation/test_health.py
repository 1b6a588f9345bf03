"""When servers are left alone, for how long, and what brings them back."""

from collections.abc import AsyncIterator

import pytest

from ranvier.config.load import parse
from ranvier.db.engine import Database
from ranvier.db.open import open_database
from ranvier.federation.health import ATTEMPT_S, BackOff, ServerHealth

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
ONE = "one.test"


class OwnClock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@pytest.fixture
async def db(db_config: dict[str, object]) -> AsyncIterator[Database]:
    database = await open_database(parse({"server_name": "ranvier.test", "database": db_config}).database, now_ms=1)
    yield database
    await database.close()


@pytest.fixture
async def sqlite() -> AsyncIterator[Database]:
    config = {"server_name": "ranvier.test", "database": {"name": "sqlite3", "args": {"database": ":memory:"}}}
    database = await open_database(parse(config).database, now_ms=1)
    yield database
    await database.close()


@pytest.fixture
def clock() -> OwnClock:
    return OwnClock()


@pytest.fixture
def health(sqlite: Database, clock: OwnClock) -> ServerHealth:
    return ServerHealth(db=sqlite, clock=clock, back_off=BackOff())


def test_a_server_that_was_never_heard_of_may_be_tried(health: ServerHealth) -> None:
    assert all(health.may_try(ONE) for _ in range(10))
    assert health.wait_ms(ONE) == 0 and health.record(ONE) is None


def test_each_failure_doubles_the_time_up_to_a_week(health: ServerHealth, clock: OwnClock) -> None:
    waits = []
    for _ in range(15):
        assert health.may_try(ONE)
        health.failed(ONE)
        waits.append(health.wait_ms(ONE) // MINUTE_MS)
        clock.ms += health.wait_ms(ONE) - 1
        assert not health.may_try(ONE)
        clock.ms += 1
    assert waits[:4] == [10, 20, 40, 80]
    assert waits[-1] * MINUTE_MS == 7 * DAY_MS
    health.succeeded(ONE)
    health.failed(ONE)
    assert health.wait_ms(ONE) == 10 * MINUTE_MS


def test_the_configuration_says_how_long() -> None:
    back_off = BackOff(first_ms=1000, multiplier=3, longest_ms=20_000)
    assert [back_off.interval_ms(failures) for failures in range(1, 6)] == [1000, 3000, 9000, 20_000, 20_000]
    assert BackOff(first_ms=5000, multiplier=1, longest_ms=1000).interval_ms(1) == 1000
    assert BackOff(first_ms=5000, multiplier=0).interval_ms(3) == 5000


def test_one_attempt_when_the_time_is_over(health: ServerHealth, clock: OwnClock) -> None:
    health.failed(ONE)
    clock.ms += 10 * MINUTE_MS
    assert health.wait_ms(ONE) == 0
    assert health.may_try(ONE)
    assert not health.may_try(ONE)
    assert health.wait_ms(ONE) > 0
    clock.ms += round(ATTEMPT_S * 1000)
    assert health.may_try(ONE)  # Whoever was to try has never told.


def test_what_was_under_way_fails_together(health: ServerHealth, clock: OwnClock) -> None:
    for _ in range(5):
        health.failed(ONE)
        clock.ms += 1000
    assert health.wait_ms(ONE) == 10 * MINUTE_MS - 5000


def test_a_server_that_comes_back_is_told_of(health: ServerHealth, clock: OwnClock) -> None:
    told: list[str] = []
    health.listeners.append(told.append)
    health.succeeded(ONE)
    assert told == []
    health.failed(ONE)
    health.succeeded(ONE)
    health.succeeded(ONE)
    assert told == [ONE] and health.may_try(ONE)


def test_a_server_that_speaks_may_be_tried(health: ServerHealth, clock: OwnClock) -> None:
    told: list[str] = []
    health.listeners.append(told.append)
    health.seen(ONE)
    health.failed(ONE)
    health.seen(ONE)
    assert told == [] and not health.may_try(ONE)  # It was tried a moment ago.
    clock.ms += MINUTE_MS
    health.seen(ONE)
    health.seen(ONE)
    assert told == [ONE]
    assert health.may_try(ONE) and not health.may_try(ONE)


def test_a_server_that_speaks_and_cannot_be_reached_is_tried_seldom(health: ServerHealth, clock: OwnClock) -> None:
    attempts = 0
    for _ in range(24 * 60):
        if health.may_try(ONE):
            attempts += 1
            health.failed(ONE)
        clock.ms += MINUTE_MS
        health.seen(ONE)
    assert attempts < 15


def test_a_server_says_when_to_come_back(health: ServerHealth, clock: OwnClock) -> None:
    health.failed(ONE, 30_000)
    assert health.wait_ms(ONE) == 30_000
    health.seen(ONE)
    assert not health.may_try(ONE)
    clock.ms += 30_000
    assert health.may_try(ONE)
    health.failed(ONE, 5_000)
    assert health.wait_ms(ONE) == 5_000  # That does not grow.
    clock.ms += 5_000
    health.failed(ONE)
    assert health.wait_ms(ONE) == 10 * MINUTE_MS


def test_a_server_that_is_gone(health: ServerHealth, clock: OwnClock) -> None:
    health.gone(ONE)
    assert health.wait_ms(ONE) == 7 * DAY_MS
    clock.ms += 2 * MINUTE_MS
    health.seen(ONE)
    assert health.may_try(ONE)


def test_an_administrator_resets(health: ServerHealth) -> None:
    assert not health.reset(ONE)
    health.failed(ONE)
    assert health.reset(ONE)
    assert health.may_try(ONE) and not health.reset(ONE)


async def test_the_records_outlive_a_restart(db: Database, clock: OwnClock) -> None:
    health = ServerHealth(db=db, clock=clock, back_off=BackOff())
    for server in (ONE, "two.test", "three.test", "limited.test"):
        health.failed(server)
    since = clock.ms
    clock.ms += 10 * MINUTE_MS
    health.failed(ONE)
    health.succeeded("two.test")
    health.failed("limited.test", 1000)
    await health.flush()
    statements, transactions = db.counters.statements, db.counters.write_transactions
    await health.flush()
    assert (db.counters.statements, db.counters.write_transactions) == (statements, transactions)
    again = await ServerHealth.load(db=db, clock=clock, back_off=BackOff())
    record = again.record(ONE)
    assert record is not None
    assert (record.failure_ts, record.retry_last_ts, record.interval_ms) == (since, clock.ms, 20 * MINUTE_MS)
    assert [again.may_try(server) for server in (ONE, "two.test", "three.test", "limited.test")] == [
        False,
        True,
        True,
        True,
    ]
    health.succeeded(ONE)
    await health.flush()
    assert (await ServerHealth.load(db=db, clock=clock, back_off=BackOff())).may_try(ONE)


async def test_many_servers_are_written_with_one_statement(sqlite: Database, clock: OwnClock) -> None:
    health = ServerHealth(db=sqlite, clock=clock, back_off=BackOff())
    for number in range(500):
        health.failed(f"s{number}.test")
    before = sqlite.counters.statements
    await health.flush()
    assert sqlite.counters.statements - before == 1


def test_a_server_that_answers_with_errors_is_tried_again_soon_some_times(
    health: ServerHealth, clock: OwnClock
) -> None:
    waits = []
    for _ in range(12):
        assert health.may_try(ONE)
        health.stumbled(ONE)
        health.stumbled(ONE)  # What was under way at the same time does not count again.
        waits.append(health.wait_ms(ONE))
        clock.ms += health.wait_ms(ONE)
    assert waits[:10] == [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]
    assert waits[10:] == [10 * MINUTE_MS, 20 * MINUTE_MS]
    health.succeeded(ONE)
    health.stumbled(ONE)
    assert health.wait_ms(ONE) == 500


def test_how_often_and_how_soon_is_configured(sqlite: Database, clock: OwnClock) -> None:
    health = ServerHealth(db=sqlite, clock=clock, back_off=BackOff(stumbles=2, longest_pause_ms=700))
    waits = []
    for _ in range(3):
        health.stumbled(ONE)
        waits.append(health.wait_ms(ONE))
        clock.ms += health.wait_ms(ONE)
    assert waits == [500, 700, 10 * MINUTE_MS]
    health = ServerHealth(db=sqlite, clock=clock, back_off=BackOff(stumbles=0))
    health.stumbled(ONE)
    assert health.wait_ms(ONE) == 10 * MINUTE_MS


def test_a_pause_that_a_server_wants_does_not_make_its_errors_forgotten(health: ServerHealth, clock: OwnClock) -> None:
    for _ in range(10):
        health.stumbled(ONE)
        clock.ms += health.wait_ms(ONE)
        health.failed(ONE, 1000)
        clock.ms += health.wait_ms(ONE)
    health.stumbled(ONE)
    assert health.wait_ms(ONE) == 10 * MINUTE_MS
