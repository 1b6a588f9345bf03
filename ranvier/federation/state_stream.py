"""Reading a state that another server tells, batch by batch, each screened before the next is looked at.

Spec: server-server API, `/state`; "Checks performed on receipt of a PDU", checks 1 to 3. Who reads slowly makes the other
server wait. Signatures are checked in a thread, while what has come in meanwhile is taken apart.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ranvier.federation.screening import Screening, Screens
from ranvier.federation.split_events import PIECE_BYTES, Cut, EventSplitter, NotEvents
from ranvier.proto.room_versions import RoomVersion

BATCH: Final = 250
"""Events that are screened together."""
STATE: Final = "pdus"
AUTH_CHAIN: Final = "auth_chain"


@dataclass(frozen=True, slots=True)
class Batch:
    """Some events, in the order of their arrival."""

    is_state: bool
    """Whether they are of `pdus`; else of `auth_chain`."""
    screening: Screening
    """Those that may be judged, and those that may not."""


async def read_state(
    chunks: AsyncIterable[bytes], version: RoomVersion, *, room_id: str, screens: Screens, most_events: int
) -> AsyncGenerator[Batch, None]:
    """The events of an answer of `/state`. Raises `NotEvents` for what is none, or has more than `most_events`.

    One batch is screened while the caller is busy with the one before.
    """
    screening: asyncio.Task[Screening] | None = None
    is_state = False
    try:
        async for name, elements in _batches(chunks, most_events):
            begun = asyncio.ensure_future(screens.screen(elements, version, room_id=room_id))
            previous, screening = screening, begun
            was_state, is_state = is_state, name == STATE
            if previous is not None:
                yield Batch(was_state, await previous)
        if screening is not None:
            yield Batch(is_state, await screening)
    finally:
        if screening is not None:
            screening.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await screening


async def _batches(chunks: AsyncIterable[bytes], most_events: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """The elements of the lists, `BATCH` at a time, those of different lists apart."""
    splitter = EventSplitter(STATE, AUTH_CHAIN)
    waiting: list[bytes] = []
    name = ""
    count = 0
    async for cut in _cuts(chunks, splitter):
        count += len(cut.elements)
        if count > most_events:
            raise NotEvents(f"there are more than {most_events} events")
        if waiting and (cut.name != name or len(waiting) >= BATCH):
            yield name, waiting
            waiting = []
        name = cut.name
        waiting += cut.elements
        while len(waiting) > BATCH:
            yield name, waiting[:BATCH]
            waiting = waiting[BATCH:]
    if waiting:
        yield name, waiting
    for wanted in (STATE, AUTH_CHAIN):
        if wanted not in splitter.seen:
            raise NotEvents(f"{wanted}: not a list of events")


async def _cuts(chunks: AsyncIterable[bytes], splitter: EventSplitter) -> AsyncIterator[Cut]:
    async for chunk in chunks:
        for start in range(0, len(chunk), PIECE_BYTES):
            for cut in splitter.feed(chunk[start : start + PIECE_BYTES]):
                yield cut
            await asyncio.sleep(0)
    for cut in splitter.finish():
        yield cut
