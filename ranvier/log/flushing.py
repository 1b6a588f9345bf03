"""A buffer before a slow log file that never keeps a line for long."""

import logging
import threading
from logging.handlers import MemoryHandler


class PeriodicallyFlushingMemoryHandler(MemoryHandler):
    """Collects records and passes them on when there are `capacity`, when one is grave, and every `period` seconds.

    The thread starts with the first record, so a daemon that forks after the log was set up still has one.
    """

    def __init__(
        self,
        capacity: int,
        flushLevel: int = logging.ERROR,  # noqa: N803  # the names that log configurations use
        target: logging.Handler | None = None,
        flushOnClose: bool = True,  # noqa: FBT001, FBT002, N803
        period: float = 5.0,
    ) -> None:
        super().__init__(capacity, flushLevel, target, flushOnClose)
        self._period_s = period
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        # Arguments may be changed after the call; the text of the moment is what counts.
        record.msg, record.args = record.getMessage(), None
        if self._thread is None or not self._thread.is_alive():
            self._start()
        super().emit(record)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._flush_for_ever, name="log flush", daemon=True)
        self._thread.start()

    def _flush_for_ever(self) -> None:
        while not self._closing.wait(self._period_s):
            self.flush()

    def close(self) -> None:
        # Whoever sets up the log anew closes all handlers, this one first; its target is often held by nothing else and
        # would be forgotten with its file open.
        self._closing.set()
        target = self.target
        super().close()
        if target is not None:
            target.close()
