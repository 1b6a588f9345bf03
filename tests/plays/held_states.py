"""Servers that keep back the state of a room from those who have joined with a part of it only."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Final

from ranvier.ports import FederationAnswer
from ranvier.rooms.partial_rooms import PartialRoom
from tests.plays.world import World

STEP_S: Final = 120.0
STEPS: Final = 300
"""So long everybody has to learn the rest of the state, once nobody keeps it back any more."""
LATER: Final = b'{"errcode":"M_UNKNOWN","error":"later"}'


@dataclass(slots=True)
class HeldStates:
    """Changes the answers of a play's network: `Network.tamper`."""

    random: Random
    share: float
    """How many of the requests for states are refused."""
    refused: int = 0

    def __call__(self, origin: str, destination: str, target: str, answer: FederationAnswer) -> FederationAnswer:
        asks_for_state = "/state_ids/" in target or "/v1/state/" in target
        if not asks_for_state or self.random.random() >= self.share:
            return answer
        self.refused += 1
        return FederationAnswer(self.random.choice((403, 404, 500, 503)), answer.headers, LATER)


async def until_full(play: World) -> None:
    """Wait until no server has a partially joined room; it is an error if that does not come about."""
    for _ in range(STEPS):
        if not _partial(play):
            return
        await asyncio.sleep(STEP_S)
    raise AssertionError(f"still partial: {[(one.room_id, one.tries, one.last_error) for one in _partial(play)]}")


def _partial(play: World) -> list[PartialRoom]:
    return [one for server in play.servers.values() for one in server.rooms.rooms.partials.every()]
