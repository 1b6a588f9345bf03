"""How fast requests of one other server are served."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ranvier.config.rates import FederationRates
from ranvier.federation.admission import SERVERS, Admission
from ranvier.proto.errors import MatrixError
from tests.plays.virtual_loop import run_virtually

RATES = FederationRates(window_size_ms=1000, sleep_limit=10, sleep_delay_ms=500, reject_limit=50, concurrent=3)


class LoopClock:
    """The time of the loop."""

    def now_ms(self) -> int:
        return int(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def played(play: Callable[[Admission], Awaitable[None]]) -> None:
    async def run() -> None:
        await play(Admission(RATES, clock=LoopClock()))

    run_virtually(run())


async def took(admission: Admission, origin: str, *, work_s: float = 0.0) -> float:
    """How long a request takes."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with admission.admitted(origin):
        await asyncio.sleep(work_s)
    return loop.time() - start


def test_after_so_many_in_a_window_each_is_delayed() -> None:
    async def play(admission: Admission) -> None:
        assert [await took(admission, "a.test") for _ in range(10)] == [0.0] * 10
        assert await took(admission, "a.test") == pytest.approx(0.5)
        assert await took(admission, "b.test") == 0.0
        await asyncio.sleep(2)
        assert await took(admission, "a.test") == 0.0

    played(play)


def test_only_so_many_at_once() -> None:
    async def play(admission: Admission) -> None:
        times = await asyncio.gather(*(took(admission, "a.test", work_s=10) for _ in range(7)))
        assert sorted(times) == pytest.approx([10, 10, 10, 20, 20, 20, 30])

    played(play)


def test_who_has_too_many_waiting_is_refused() -> None:
    async def play(admission: Admission) -> None:
        tasks = [asyncio.create_task(took(admission, "a.test", work_s=1)) for _ in range(53)]
        await asyncio.sleep(0.6)
        with pytest.raises(MatrixError) as refused:
            await took(admission, "a.test")
        assert (refused.value.status, refused.value.errcode) == (429, "M_LIMIT_EXCEEDED")
        assert "retry_after_ms" in refused.value.extra
        assert await took(admission, "b.test") == 0.0
        for task in tasks[10:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(5)
        assert await took(admission, "a.test") == 0.0

    played(play)


def test_servers_that_ask_no_more_are_forgotten() -> None:
    async def play(admission: Admission) -> None:
        busy = asyncio.create_task(took(admission, "busy.test", work_s=1))
        await asyncio.sleep(0)
        for number in range(SERVERS + 100):
            async with admission.admitted(f"s{number}.test"):
                pass
        assert len(admission._servers) <= SERVERS + 1
        assert "busy.test" in admission._servers
        await busy

    played(play)


def test_what_is_not_paced_is_never_delayed_but_bounded() -> None:
    async def play(admission: Admission) -> None:
        async def transaction(work_s: float) -> float:
            loop = asyncio.get_running_loop()
            start = loop.time()
            async with admission.admitted("a.test", paced=False):
                await asyncio.sleep(work_s)
            return loop.time() - start

        assert [await transaction(0) for _ in range(30)] == [0.0] * 30
        assert await took(admission, "a.test") == 0.0
        times = await asyncio.gather(*(transaction(10) for _ in range(7)))
        assert sorted(times) == pytest.approx([10, 10, 10, 20, 20, 20, 30])
        tasks = [asyncio.create_task(transaction(1)) for _ in range(53)]
        await asyncio.sleep(0.5)
        with pytest.raises(MatrixError):
            await transaction(0)
        await asyncio.gather(*tasks)

    played(play)
