"""What it costs to join a room of many members: `python -m tests.faster_joins.measure 1000 10000 hq`.

One real server in real time, its events made here, no network. What other servers do is left out: their answers are made
before they are asked for, or the time that takes is taken off. Not a test: the tests hold counts.
"""

import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial as bound
from pathlib import Path
from typing import Final

import orjson

from ranvier.cli.process import set_gc_thresholds
from ranvier.db.engine import Database
from ranvier.db.sqlite import open_sqlite
from ranvier.proto.signing import SigningKey, is_signature
from tests.faster_joins import answers, great_rooms
from tests.faster_joins.great_rooms import SERVERS
from tests.faster_joins.resident import Resident
from tests.faster_joins.room import ScriptedRoom
from tests.faster_joins.stage import Stage, play_in
from tests.plays.world import world

PAGE_BYTES: Final = 4096
BEAT_S: Final = 0.002
BEATS: Final = 25
"""How many beats between two looks at the memory."""
CHECKS: Final = 2_000
Header = tuple[bytes, bytes]


class Front:
    """Stands before a scripted server: its large answers are made once, and held back until then."""

    def __init__(self, resident: Resident) -> None:
        self._resident = resident
        self._go = asyncio.Event()
        self._bodies: dict[str, bytes] = {}
        self.cpu_s = 0.0
        """What the scripted server has taken to answer everything but states."""

    def prepare(self, room: ScriptedRoom, join: str) -> int:
        """Make the answers; their size."""
        for act in ("state", "state_ids"):
            self._bodies[act] = orjson.dumps(answers.state_at(room, join, ids=act == "state_ids")[1])
        return sum(map(len, self._bodies.values()))

    def release(self) -> None:
        """Give them."""
        self._go.set()

    async def handle(
        self, method: str, target: str, headers: Sequence[Header] = (), body: bytes = b""
    ) -> tuple[int, list[Header], bytes]:
        """As the scripted server."""
        act = target.split("/")[4]
        if act not in ("state", "state_ids"):
            began = time.thread_time()
            try:
                return await self._resident.handle(method, target, headers, body)
            finally:
                self.cpu_s += time.thread_time() - began
        await self._go.wait()
        return 200, [(b"content-type", b"application/json")], self._bodies[act]


class Watch:
    """How long the loop was busy at a stretch, and how much memory there was."""

    def __init__(self, front: Front) -> None:
        """What `front` takes is taken off."""
        self._front = front
        self.stretches_ms: list[float] = []
        """By the clock: what other programs took meanwhile is in it."""
        self.worked_ms: list[float] = []
        """What the loop's thread itself has worked meanwhile."""
        self.peak_mb = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        last = time.perf_counter() - self._front.cpu_s
        worked = time.thread_time() - self._front.cpu_s
        while True:
            await asyncio.sleep(BEAT_S)
            now = time.perf_counter() - self._front.cpu_s
            work = time.thread_time() - self._front.cpu_s
            self.stretches_ms.append((now - last - BEAT_S) * 1000)
            self.worked_ms.append((work - worked) * 1000)
            last, worked = now, work
            if len(self.stretches_ms) % BEATS == 1:
                self.peak_mb = max(self.peak_mb, memory_mb())

    def __str__(self) -> str:
        stretches = sorted(self.stretches_ms)
        return f"{stretches[-1]:.0f} | {stretches[len(stretches) * 99 // 100]:.0f} | {max(self.worked_ms):.0f}"


def signature_us() -> float:
    """CPU of one check of a signature, here and now: it is a good part of the rest, and what the machine lets it be."""
    key = SigningKey("ed25519:1", bytes(32))
    message = bytes(600)
    signature = key.sign(message)
    began = time.thread_time()
    for _ in range(CHECKS):
        assert is_signature(message, signature, key.public_key)
    return (time.thread_time() - began) / CHECKS * 1e6


def memory_mb() -> float:
    """What the process holds now."""
    file = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(file, 100).split()[1]) * PAGE_BYTES / 1e6
    finally:
        os.close(file)


async def measure(s: Stage, shape: str) -> None:
    """Join, and become full."""
    room = s.room()
    for number in range(SERVERS):
        s.server(f"server{number}.test")
    front = Front(s.resident)
    s.world.network.apps[s.resident.name] = front
    if shape == "hq":
        great_rooms.like_matrix_hq(room)
    else:
        great_rooms.populate(room, int(shape))
    s.ours.federation.keys._uses_thread = True  # In plays it uses none; this is no play.
    gc.collect()
    gc.freeze()
    watch = Watch(front)
    watching = asyncio.ensure_future(watch.run())
    await s.pause(0.1)
    cpu_s = time.process_time() - front.cpu_s
    await s.join(room)
    join_ms = (time.process_time() - front.cpu_s - cpu_s) * 1000
    watching.cancel()
    joining = watch
    partial = await s.partial(room)
    assert partial is not None
    size = front.prepare(room, partial.join_event_id)
    gc.collect()
    gc.freeze()
    await s.pause(1)
    watch, before_mb = Watch(front), memory_mb()
    watching = asyncio.ensure_future(watch.run())
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    front.release()
    await s.until_full(room)
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    watching.cancel()
    assert await s.partial(room) is None
    events = len(room.events)
    print(
        f"| {shape} | {len(room.state):,} | {events:,} | {size / 1e6:.1f} | {join_ms:.0f} | {joining} | {wall_s:.1f} |"
        f" {cpu_s:.1f} | {cpu_s / events * 1e6:.0f} | {signature_us():.0f} | {watch.peak_mb - before_mb:.0f} | {watch} |",
        flush=True,
    )


async def main(shape: str) -> None:
    """One room."""
    with tempfile.TemporaryDirectory() as folder:

        async def opens(name: str) -> Database:
            return await open_sqlite(f"{folder}/{name}.db")

        async with world(1, Path(folder)) as w:
            w.opens = opens
            await play_in(w, bound(measure, shape=shape))


if __name__ == "__main__":
    set_gc_thresholds(None)
    stretch = "longest stretch ms | 99 % | of it work"
    print(
        f"| room | state | events | MB | join, CPU ms | {stretch} | full after s | CPU s | us an event | of it signature | MB more |"
        f" {stretch} |"
    )
    print("|---" * 17 + "|")
    for given in sys.argv[1:]:
        asyncio.run(main(given))
