"""What the servers of a play write into their logs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.plays.byzantine import EVIL

_BELIEVES_EVIL = f"Believing {EVIL} alone"


@dataclass(slots=True)
class Heard:
    """In one play."""

    errors: list[str] = field(default_factory=list)
    """What a server holds to be wrong with itself."""
    lies_believed: int = 0
    """How often nobody else was to be had, and the server that keeps to no rule was believed about a state."""


class _Listener(logging.Handler):
    def __init__(self, heard: Heard) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self._heard.errors.append(f"{record.name}: {record.getMessage()} {record.exc_info and record.exc_info[1]}")
        elif record.getMessage().startswith(_BELIEVES_EVIL):
            self._heard.lies_believed += 1


@contextmanager
def listening() -> Iterator[Heard]:
    """Listen for the time of a play."""
    heard = Heard()
    listener = _Listener(heard)
    logger = logging.getLogger("ranvier")
    logger.addHandler(listener)
    try:
        yield heard
    finally:
        logger.removeHandler(listener)
