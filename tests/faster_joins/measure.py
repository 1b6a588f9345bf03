"""What it costs to join a room of many members: `python -m tests.faster_joins.measure 1000 10000`.

One real server in real time, its events made here, no network. What other servers do is left out: their answer is made
before it is asked for. Not a test: the tests hold counts.
"""

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial as bound
from pathlib import Path
from typing import Final

import orjson

from ranvier.proto.events import Event, StateKey
from tests.faster_joins import answers
from tests.faster_joins.resident import Resident
from tests.faster_joins.room import MEMBER, ScriptedRoom
from tests.faster_joins.stage import Stage, play_in
from tests.plays.world import world

SERVERS: Final = 50
PAGE_BYTES: Final = 4096
Header = tuple[bytes, bytes]


class Front:
    """Stands before a scripted server: its large answers are made once, and held back until then."""

    def __init__(self, resident: Resident) -> None:
        self._resident = resident
        self._go = asyncio.Event()
        self._bodies: dict[str, bytes] = {}

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
            return await self._resident.handle(method, target, headers, body)
        await self._go.wait()
        return 200, [(b"content-type", b"application/json")], self._bodies[act]


def populate(room: ScriptedRoom, members: int) -> None:
    """Let so many join, every second of them twice: its auth chain has half as many events as the room has members."""
    state: dict[StateKey, Event] = dict(room.state)
    fixed = [state["m.room.create", ""], state["m.room.power_levels", ""], state["m.room.join_rules", ""]]
    last = room.ends[0]
    for number in range(members):
        user_id = f"@user{number}:server{number % SERVERS}.test"
        mine: list[Event] = []
        for name in ("first", "second")[: 1 + number % 2]:
            content = {"membership": "join", "displayname": f"The {name} name of {number}"}
            last = room.make(
                MEMBER, content, sender=user_id, state_key=user_id, after=[last], state={}, auth=[*fixed, *mine]
            )
            room.events[last.event_id] = last
            mine = [last]
        state[MEMBER, user_id] = last
    del state[MEMBER, last.state_key or ""]
    room.before[last.event_id] = state
    room.ends = [last]


class Watch:
    """How long the loop was busy at a stretch, and how much memory there was."""

    def __init__(self) -> None:
        self.gaps_ms: list[float] = []
        self.peak_mb = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.gaps_ms.append((now - last) * 1000 - 1)
            last = now
            self.peak_mb = max(self.peak_mb, memory_mb())


def memory_mb() -> float:
    """What the process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


async def measure(s: Stage, members: int) -> None:
    """Join, and become full."""
    room = s.room()
    for number in range(SERVERS):
        s.server(f"server{number}.test")
    front = Front(s.resident)
    s.world.network.apps[s.resident.name] = front
    populate(room, members)
    s.ours.federation.keys._uses_thread = True  # In plays it uses none; this is no play.
    cpu_s = time.process_time()
    await s.join(room)
    join_ms = (time.process_time() - cpu_s) * 1000
    partial = await s.partial(room)
    assert partial is not None
    size = front.prepare(room, partial.join_event_id)
    gc.collect()
    gc.freeze()
    await s.pause(1)
    watch, before_mb = Watch(), memory_mb()
    watching = asyncio.ensure_future(watch.run())
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    front.release()
    await s.until_full(room)
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    watching.cancel()
    assert await s.partial(room) is None
    events = len(room.events)
    gaps = sorted(watch.gaps_ms)
    print(
        f"| {members:,} | {events:,} | {size / 1e6:.1f} | {join_ms:.0f} | {wall_s:.1f} | {cpu_s:.1f} |"
        f" {cpu_s / events * 1e6:.0f} | {watch.peak_mb - before_mb:.0f} | {gaps[-1]:.0f} |"
        f" {gaps[len(gaps) * 99 // 100]:.0f} |"
    )


async def main(members: int) -> None:
    """One room."""
    with tempfile.TemporaryDirectory() as folder:
        async with world(1, Path(folder)) as w:
            await play_in(w, bound(measure, members=members))


if __name__ == "__main__":
    print(
        "| members | events | MB | join, CPU ms | full after s | CPU s | us an event | MB more | worst gap ms | 99 % |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for given in sys.argv[1:]:
        asyncio.run(main(int(given)))
