"""Leaky buckets."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.config.rates import RateLimit
from ranvier.proto.errors import MatrixError
from ranvier.ratelimit import RateLimiter
from tests.http.clock import ManualClock


def allowed(limiter: RateLimiter, key: str, *, cost: int = 1) -> bool:
    try:
        limiter.spend(key, cost=cost)
    except MatrixError as error:
        assert error.errcode == "M_LIMIT_EXCEEDED"
        return False
    return True


def test_a_burst_and_then_the_rate() -> None:
    clock = ManualClock()
    limiter = RateLimiter(RateLimit(per_second=0.5, burst_count=3), clock=clock)
    assert [allowed(limiter, "a") for _ in range(4)] == [True, True, True, False]
    assert allowed(limiter, "b"), "keys are apart"
    clock.advance(2)
    assert [allowed(limiter, "a") for _ in range(2)] == [True, False]
    clock.advance(1000)
    assert [allowed(limiter, "a") for _ in range(4)] == [True, True, True, False]


def test_what_is_refused_is_not_counted_and_says_when_to_come_back() -> None:
    clock = ManualClock()
    limiter = RateLimiter(RateLimit(per_second=0.1, burst_count=1), clock=clock)
    limiter.spend("a")
    for _ in range(5):
        with pytest.raises(MatrixError) as refused:
            limiter.spend("a")
        assert refused.value.extra["retry_after_ms"] == 10_000
    clock.advance(10)
    limiter.spend("a")


def test_checking_counts_nothing() -> None:
    limiter = RateLimiter(RateLimit(per_second=1, burst_count=1), clock=ManualClock())
    limiter.check("a")
    limiter.check("a")
    limiter.spend("a")
    with pytest.raises(MatrixError):
        limiter.check("a")
    limiter.forget("a")
    limiter.check("a")


def test_more_than_a_burst_at_once_is_never_allowed() -> None:
    limiter = RateLimiter(RateLimit(per_second=1, burst_count=3), clock=ManualClock())
    assert not allowed(limiter, "a", cost=4)
    assert allowed(limiter, "a", cost=3)


@pytest.mark.parametrize("rate", [RateLimit(0, 2), RateLimit(1, 0), RateLimit(0, 0)])
def test_zeros(rate: RateLimit) -> None:
    clock = ManualClock()
    limiter = RateLimiter(rate, clock=clock)
    passed = 0
    for _ in range(10):
        passed += allowed(limiter, "a")
        clock.advance(100)
    assert passed == rate.burst_count


def test_memory_is_bounded_and_full_buckets_are_kept_over_idle_ones() -> None:
    clock = ManualClock()
    limiter = RateLimiter(RateLimit(per_second=1, burst_count=1), clock=clock, max_keys=100)
    limiter.spend("old")
    clock.advance(5)
    for number in range(100):
        limiter.spend(str(number))
    assert len(limiter) <= 100
    assert not allowed(limiter, "99")
    for number in range(1000):
        limiter.spend(f"more {number}")
    assert len(limiter) <= 100


@given(
    st.sampled_from([0.5, 1, 4]),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 2)), max_size=60),
)
def test_never_more_than_the_bucket_holds(per_second: float, burst: int, steps: list[tuple[int, int]]) -> None:
    """In any window of t seconds at most burst + rate * t actions pass."""
    clock = ManualClock()
    limiter = RateLimiter(RateLimit(per_second, burst), clock=clock)
    passed: deque[tuple[float, int]] = deque()
    for wait_ms, cost in steps:
        clock.advance(wait_ms / 1000)
        if allowed(limiter, "a", cost=cost):
            passed.append((clock.monotonic(), cost))
    for first, (start, _) in enumerate(passed):
        total = 0
        for end, cost in list(passed)[first:]:
            total += cost
            assert total <= burst + per_second * (end - start) + 1e-6
