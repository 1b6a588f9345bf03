"""A connection without a network: a test says which bytes come when, and sees which go out."""

import asyncio
from collections.abc import Iterable
from typing import Any

from ranvier.http.connections import Connections
from ranvier.http.listeners import app_for
from ranvier.http.protocol import Connection
from ranvier.http.route import Route
from tests.http.server import LISTENER, Answer, Tokens, parse


class Pipe(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.writes = 0
        self.unsent_bytes = 0
        self.is_closed = False
        self.is_aborted = False
        self.is_ended = False
        self.reads = True

    def write(self, data: Any) -> None:
        assert not self.is_ended, "wrote after the end"
        self.writes += 1
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_ended = True

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    def pause_reading(self) -> None:
        assert self.reads
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.reads
        self.reads = True


class Line:
    """One client's connection to an application that serves `routes`."""

    def __init__(self, routes: Iterable[Route]) -> None:
        app = app_for(LISTENER, list(routes), authenticator=Tokens(), limiters={})
        self.connections = Connections()
        self.protocol = Connection(app, self.connections, is_tls=False)
        self.pipe = Pipe()
        self.protocol.connection_made(self.pipe)
        self._is_lost = False

    async def settle(self, *, turns: int = 12) -> None:
        """Let everything happen that can, and what follows from closing."""
        for _ in range(turns):
            await asyncio.sleep(0)
        if self.pipe.is_closed:
            self.lose()
            await asyncio.sleep(0)

    async def send(self, data: bytes) -> None:
        """Bytes come, if anybody reads them."""
        if not self._is_lost:
            self.protocol.data_received(data)
        await self.settle()

    async def end(self) -> None:
        """The client sends nothing more."""
        if not self._is_lost and not self.protocol.eof_received():
            self.pipe.close()
        await self.settle()

    def lose(self) -> None:
        """The connection is gone."""
        if not self._is_lost:
            self._is_lost = True
            self.protocol.connection_lost(None)

    def sweep(self, times: int) -> None:
        """Time passes."""
        for _ in range(times):
            self.connections.sweep()

    def reads(self) -> bool:
        """Whether the server takes what the client sends."""
        return self.pipe.reads

    async def finish(self) -> None:
        """Leave nothing behind."""
        self.lose()
        tasks = self.connections.tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.connections.abort()

    @property
    def answers(self) -> list[Answer]:
        """The answers so far; they have lengths, or are the last."""
        return list(split(bytes(self.pipe.written)))


def split(raw: bytes) -> Iterable[Answer]:
    """Answers one after the other; raises if there is anything else."""
    while raw:
        head, end, rest = raw.partition(b"\r\n\r\n")
        assert end, raw
        answer = parse(head + end)
        length = int(answer.headers.get("content-length", "0"))
        assert len(rest) >= length, raw
        yield Answer(answer.status, answer.headers, rest[:length])
        raw = rest[length:]
