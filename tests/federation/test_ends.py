"""The ends of a room that other servers branch are joined; how many there may be says `dummy_events_threshold`."""

import asyncio
from pathlib import Path

import pytest

from tests.federation.signed import behind_door


@pytest.mark.parametrize("threshold", [2, 4])
async def test_more_ends_than_this_are_joined(tmp_path: Path, threshold: int) -> None:
    async with behind_door(tmp_path, dummy_events_threshold=threshold) as door:
        fork = door.room.tip
        ends = set[str]()
        branches = [door.message(f"branch {number}", prev=[fork]) for number in range(threshold + 1)]
        for branch in branches:
            await door.taken(branch)
        for _ in range(1000):
            ends = await door.ends()
            if len(ends) == 1:
                break
            await asyncio.sleep(0.01)
        [joining] = (await door.at.server.rooms.cache.by_id(ends)).values()
        assert joining.event.type == "org.matrix.dummy_event"
        # All of them at once: with fewer, nothing was joined.
        assert set(joining.event.prev_events) == {branch.event_id for branch in branches}
