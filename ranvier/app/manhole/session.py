"""One login at the manhole: what is typed goes to a `Console`, line by line, one after the other."""

import asyncio
import logging
import sys
from typing import Any, Final

import asyncssh

from ranvier.app.manhole.console import Console

logger = logging.getLogger(__name__)

_FIRST: Final = ">>> "
_FURTHER: Final = "... "


class ManholeSession(asyncssh.SSHServerSession[str]):
    """A terminal, a pipe, or a single statement given with the command `ssh`."""

    def __init__(self, names: dict[str, Any], *, greeting: str) -> None:
        self._names = names
        self._greeting = greeting
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._rest = ""
        self._running: asyncio.Task[None] | None = None
        self._talking: asyncio.Task[None] | None = None
        self._chan: asyncssh.SSHServerChannel[str] | None = None
        self._console = Console(dict(names), self._write)
        self._command: str | None = None
        self._has_terminal = False

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        self._chan = chan

    def pty_requested(self, *_: object) -> bool:
        self._has_terminal = True
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        self._talking = asyncio.get_running_loop().create_task(self._talk(), name="manhole")

    def data_received(self, data: str, datatype: Any) -> None:
        *lines, self._rest = (self._rest + data).split("\n")
        for line in lines:
            self._lines.put_nowait(line.removesuffix("\r"))

    def eof_received(self) -> bool:
        if self._rest:
            self._lines.put_nowait(self._rest)
        self._lines.put_nowait(None)
        return True  # What is under way may still print.

    def soft_eof_received(self) -> None:
        """Ctrl-D on an empty line."""
        self._lines.put_nowait(None)

    def break_received(self, msec: int) -> bool:
        """Ctrl-C: ends what is executing, or drops what was typed."""
        if self._running is not None:
            self._running.cancel()
        else:
            if self._chan is not None and self._has_terminal:
                self._chan.clear_input()  # type: ignore[attr-defined]  # the line editor's
            self._console.forget()
            self._write("\nKeyboardInterrupt\n")
            self._prompt()
        return True

    def signal_received(self, signal: str) -> None:
        if signal == "INT":
            self.break_received(0)

    def connection_lost(self, exc: Exception | None) -> None:
        self._chan = None
        if self._talking is not None:
            self._talking.cancel()

    async def _talk(self) -> None:
        if self._command is not None:
            await self._do(self._console.execute(self._command))
        else:
            await self._converse()
        if self._chan is not None:
            self._chan.exit(0)

    async def _converse(self) -> None:
        if self._has_terminal:
            self._write(self._greeting)
        self._prompt()
        while (line := await self._lines.get()) is not None:
            await self._do(self._console.take(line))
            self._prompt()
        if self._console.is_unfinished:
            await self._do(self._console.take(""))
        if self._has_terminal:
            self._write("\n")

    async def _do(self, statement: Any) -> None:
        """Until it is done, or interrupted."""
        self._running = asyncio.get_running_loop().create_task(statement, name="manhole statement")
        try:
            await asyncio.wait([self._running])
        finally:
            # Here also when who has typed it is gone: nobody could interrupt it any more.
            self._running.cancel()
        if self._running.cancelled():
            self._write("\nKeyboardInterrupt\n")
        self._running = None

    def _prompt(self) -> None:
        if self._has_terminal:
            self._write(_FURTHER if self._console.is_unfinished else _FIRST)

    def _write(self, text: str) -> None:
        if self._chan is not None and not self._chan.is_closing():
            self._chan.write(text)


def greeting(server_name: str) -> str:
    """What somebody sees who has logged in."""
    return (
        f"Python {sys.version.split()[0]} inside {server_name}. hs is the running server; await works.\n"
        "Whatever blocks here blocks the server. Ctrl-C interrupts what waits, Ctrl-D leaves.\n"
    )
