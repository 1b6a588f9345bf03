"""The process itself: limits, garbage collection, going to the background."""

import atexit
import contextlib
import fcntl
import gc
import logging
import os
import resource
import sys
from typing import TextIO

logger = logging.getLogger(__name__)


_GC_THRESHOLDS = (10_000, 3, 35)
"""A large request makes more objects than Python's 700, and few of ours are in cycles. The event loop stands still while the
middle generation, of thirty thousand objects, is looked at: some eight milliseconds.
"""


class ProcessError(Exception):
    """The process cannot do what it was told; the message is for the operator."""


def raise_file_limit(soft_limit: int) -> None:
    """Allow that many open files; 0: as many as the system lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft_limit or hard, hard))
    except (ValueError, OSError) as error:
        logger.warning("cannot set the limit of open files to %s: %s", soft_limit or hard, error)


def set_gc_thresholds(thresholds: tuple[int, int, int] | None) -> None:
    """Tell the garbage collector how often to look."""
    gc.set_threshold(*thresholds or _GC_THRESHOLDS)


class PidFile:
    """A file that says who runs, locked for as long as that is so; a lock, unlike a number, cannot be stale."""

    def __init__(self, path: str) -> None:
        """Open and lock. Raises `ProcessError` if another process runs, or if the file cannot be written."""
        self._path = os.path.abspath(path)
        try:
            self._file: TextIO = open(self._path, "a", encoding="ascii")  # noqa: SIM115  # open until the process ends
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProcessError(f"{path}: the server is running already") from error
        except OSError as error:
            raise ProcessError(f"{path}: cannot be written: {error.strerror}") from error

    def write(self) -> None:
        """Note this process, until it ends."""
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()
        atexit.register(self._remove)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def go_to_background() -> None:
    """Detach from the terminal; only the detached process returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    _leave_parent()
    os.setsid()
    _leave_parent()  # not the session's leader, so that no terminal can ever be attached
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


def _leave_parent() -> None:
    if os.fork() > 0:
        os._exit(0)
