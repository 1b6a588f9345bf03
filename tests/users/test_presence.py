"""Presence over time: what one user's devices do, and what others are told."""

import pytest

from ranvier.config.sections import PresenceConfig
from ranvier.users.presence import PresenceTracker
from tests.users.world import StillClock

ALICE = "@alice:example.org"
CONFIG = PresenceConfig(
    enabled=True,
    include_offline_users_on_sync=False,
    last_active_granularity_ms=60_000,
    sync_online_timeout_ms=30_000,
    idle_timeout_ms=300_000,
    exclude_rooms=frozenset(),
)


class World:
    """A tracker, its clock, and everything that was told."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.tracker = PresenceTracker(clock=self.clock, config=CONFIG)
        self.told: list[str] = []
        self.tracker.listeners.append(lambda user_id, pos: self.told.append(self.now()))

    def now(self) -> str:
        presence = self.tracker.of(ALICE)
        return presence.presence + (" active" if presence.currently_active else "")

    def news(self) -> list[str]:
        """What was told since the last time."""
        told, self.told = self.told, []
        return told

    def wait(self, seconds: float) -> None:
        """Time passes; what is due happens when it is due."""
        end = self.clock.monotonic() + seconds
        while (due := self.tracker.next_check()) is not None and due <= end:
            self.clock.ms = max(self.clock.ms, round(due * 1000))
            self.tracker.check_next()
        self.clock.ms = round(end * 1000)


@pytest.fixture
def world() -> World:
    return World()


def test_a_device_that_follows_becomes_idle_and_goes(world: World) -> None:
    world.tracker.begin_sync(ALICE, "A", "online")
    assert world.news() == ["online active"]
    world.wait(59)
    assert world.news() == []
    world.wait(2)
    assert world.news() == ["online"]
    world.wait(240)
    assert world.news() == ["unavailable"]
    world.wait(100_000)
    assert world.news() == []
    world.tracker.end_sync(ALICE, "A")
    world.wait(29)
    assert world.news() == []
    world.wait(2)
    assert world.news() == ["offline"]


def test_polling_keeps_one_present(world: World) -> None:
    for _ in range(4):
        assert world.tracker.begin_sync(ALICE, "A", "online")
        world.wait(10)
        world.tracker.end_sync(ALICE, "A")
        world.wait(4)
    assert world.news() == ["online active"]


def test_doing_something_makes_one_active(world: World) -> None:
    world.tracker.begin_sync(ALICE, "A", "online")
    world.wait(400)
    world.news()
    world.tracker.act(ALICE, "A")
    assert world.news() == ["online active"]
    world.wait(50)
    world.tracker.act(ALICE, "A")
    world.wait(50)
    assert world.news() == []
    assert world.tracker.of(ALICE).last_active_ts == world.clock.now_ms() - 50_000
    world.wait(20)
    assert world.news() == ["online"]


def test_the_most_present_device_counts(world: World) -> None:
    world.tracker.begin_sync(ALICE, "phone", "unavailable")
    assert world.news() == ["unavailable"]
    world.tracker.begin_sync(ALICE, "desk", "online")
    assert world.news() == ["online active"]
    world.tracker.begin_sync(ALICE, "phone", "unavailable")
    assert world.news() == []
    world.tracker.end_sync(ALICE, "desk")
    world.wait(31)
    assert world.news() == ["unavailable"]


def test_requests_of_one_device_at_once(world: World) -> None:
    world.tracker.begin_sync(ALICE, "A", "online")
    world.tracker.begin_sync(ALICE, "A", "online")
    world.tracker.end_sync(ALICE, "A")
    world.wait(50)
    assert world.now() == "online active"


def test_who_wants_to_be_away_is_away(world: World) -> None:
    world.tracker.begin_sync(ALICE, "A", "online")
    world.tracker.set(ALICE, "B", "offline", "gone")
    assert world.news() == ["online active", "offline"]
    assert world.tracker.of(ALICE).status_msg == "gone"
    assert not world.tracker.begin_sync(ALICE, "A", "offline")
    world.tracker.act(ALICE, "A")
    assert world.now() == "offline"


def test_who_says_to_be_there_and_follows_nothing_goes(world: World) -> None:
    world.tracker.set(ALICE, "A", "online", None)
    world.wait(29)
    assert world.now() == "online active"
    world.wait(2)
    assert world.now() == "offline"


def test_a_status_is_news_and_stays(world: World) -> None:
    world.tracker.begin_sync(ALICE, "A", "online")
    world.tracker.set(ALICE, "A", "online", "tea")
    world.tracker.set(ALICE, "A", "online", "tea")
    assert world.news() == ["online active", "online active"]
    world.tracker.end_sync(ALICE, "A")
    world.wait(1000)
    assert world.tracker.of(ALICE).status_msg == "tea"


def test_positions_grow(world: World) -> None:
    before = world.tracker.pos
    world.tracker.set(ALICE, "A", "online", None)
    assert world.tracker.changed_at(ALICE) == world.tracker.pos == before + 1
    assert world.tracker.changed_at("@bob:example.org") == 0
