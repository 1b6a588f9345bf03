"""Telling many stories, one after the other."""

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ranvier.db.migrate import migrate
from ranvier.db.sqlite import open_sqlite
from ranvier.proto import signing
from tests.faster_joins.story import PartialJoins
from tests.plays.story import BYZANTINE, tell
from tests.plays.virtual_loop import run_virtually

STEPS: Final = 30
FAULTS: Final = (
    "delay", "lost request", "lost answer", "repetition", "reordering", "partition", "server down", "crash", "restart",
    "clock skew", "state held back",
)  # fmt: skip
"""What has to happen now and then."""
_IN_MEMORY: Final = Path("/dev/shm")


@dataclass(slots=True)
class Teller:
    """Tells stories, and counts what has happened in them."""

    folder: Path
    byzantine: float = BYZANTINE
    faults: Counter[str] = field(default_factory=Counter)
    attacks: Counter[str] = field(default_factory=Counter)

    def tell(self, seed: int) -> None:
        """One of them. Raises what has gone wrong, with the story as a note."""
        with TemporaryDirectory(dir=self.folder) as folder:
            story = tell(seed, Path(folder), steps=STEPS, template=migrated(self.folder), byzantine=self.byzantine)
            told = run_virtually(story)
        self.faults += told.faults
        self.attacks += told.attacks


@contextmanager
def teller(*, byzantine: float = BYZANTINE) -> Iterator[Teller]:
    """A teller of stories with several whole servers."""
    with quickly() as folder:
        yield Teller(folder, byzantine)


@contextmanager
def teller_of_partial_joins() -> Iterator[PartialJoins]:
    """A teller of stories of rooms that are joined partially."""
    with quickly() as folder:
        yield PartialJoins(folder, migrated(folder))


@contextmanager
def quickly() -> Iterator[Path]:
    """A folder for the disks of servers, in memory if the system has such a place.

    What stories leave behind is collected at their end, and not while they run; and what several servers check, each for
    itself, is computed once.
    """
    is_signature = signing.is_signature
    with TemporaryDirectory(prefix="plays-", dir=_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None) as folder:
        gc.disable()
        signing.is_signature = lru_cache(maxsize=20_000)(is_signature)
        try:
            yield Path(folder)
        finally:
            signing.is_signature = is_signature
            gc.enable()
            gc.collect()


def migrated(folder: Path) -> Path:
    """A database file that is migrated already."""
    path = folder / "template.db"
    if not path.exists():
        asyncio.run(_make(path))
    return path


async def _make(path: Path) -> None:
    db = await open_sqlite(str(path))
    await migrate(db, now_ms=0)
    await db.close()
