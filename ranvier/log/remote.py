"""Log lines to another machine, over TCP, without anybody waiting for it.

The manual's `RemoteHandler`: `host`, `port`, `maximum_buffer` (1000 lines).
"""

import logging
import socket
import threading
from collections import deque
from collections.abc import Iterable

from ranvier.log.json_lines import TerseJsonFormatter

_CONNECT_S = 10.0
_RETRY_S = (1.0, 2.0, 5.0, 15.0, 60.0)
_LAST_S = 1.0
"""How long the end of the process may wait for the last lines."""


class RemoteHandler(logging.Handler):
    """Keeps lines while the other machine is away, and connects again; they are JSON unless a formatter says otherwise.

    When `maximum_buffer` lines wait, the least grave of them make room: debug first, then info, then the oldest.
    """

    def __init__(self, host: str, port: int, maximum_buffer: int = 1000, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        self.formatter = TerseJsonFormatter()
        self._address = (host, int(port))
        self._most = max(1, maximum_buffer)
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._lines = threading.Condition()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode("utf-8", "replace") + b"\n"
        except Exception:  # noqa: BLE001  # as every handler does: the log must not break what is logged
            self.handleError(record)
            return
        with self._lines:
            self._waiting.append((record.levelno, line))
            if len(self._waiting) > self._most:
                self._make_room()
            # A daemon that forks after the log was set up has lost the thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="log to remote", daemon=True)
                self._thread.start()
            self._lines.notify()

    def close(self) -> None:
        """Send what waits, if it can be sent at once."""
        with self._lines:
            self._is_closing = True
            self._lines.notify()
            thread = self._thread
        if thread is not None:
            thread.join(_LAST_S)
        super().close()

    def _make_room(self) -> None:
        for most in (logging.DEBUG, logging.INFO):
            kept = [entry for entry in self._waiting if entry[0] > most]
            if len(kept) < len(self._waiting):
                self._waiting = deque(kept)
                return
        self._waiting.popleft()

    def _run(self) -> None:
        tries = 0
        while self._wait_for_lines():
            try:
                with socket.create_connection(self._address, timeout=_CONNECT_S) as connection:
                    tries = 0
                    self._send(connection)
            except OSError:
                wait_s = _RETRY_S[min(tries, len(_RETRY_S) - 1)]
                tries += 1
                with self._lines:
                    if self._is_closing or self._lines.wait_for(lambda: self._is_closing, wait_s):
                        return

    def _send(self, connection: socket.socket) -> None:
        """Send lines until there is nothing more to do. Raises `OSError`, and then keeps what may not have arrived."""
        while self._wait_for_lines():
            with self._lines:
                entries = list(self._waiting)
                self._waiting.clear()
            try:
                connection.sendall(b"".join(line for _, line in entries))
            except OSError:
                self._put_back(entries)
                raise

    def _put_back(self, entries: Iterable[tuple[int, bytes]]) -> None:
        with self._lines:
            self._waiting.extendleft(reversed(list(entries)))
            while len(self._waiting) > self._most:
                self._make_room()

    def _wait_for_lines(self) -> bool:
        """Whether there is something to send; false at the end."""
        with self._lines:
            self._lines.wait_for(lambda: self._waiting or self._is_closing)
            return bool(self._waiting)
