"""The same connections on both event loops: uvloop's, which serves, and asyncio's own."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from ranvier.http.listeners import serve_listeners, tls_context
from ranvier.http.request import Request
from ranvier.http.response import Response, stream_response, text_response
from ranvier.http.route import Auth, Route, routes
from tests.http.certificate import CERTIFICATE, KEY
from tests.http.raw import split
from tests.http.server import LISTENER, Tokens, ask, exchange, port_of, serving

Run = Callable[[Coroutine[Any, Any, None]], None]


class Work:
    """Calls of all kinds, and how many of them are under way."""

    def __init__(self) -> None:
        self.under_way = 0

    async def echo(self, request: Request) -> Response:
        await asyncio.sleep(0)
        return text_response(str(len(request.content)))

    async def wait(self, request: Request) -> Response:
        self.under_way += 1
        try:
            await asyncio.sleep(60)
        finally:
            self.under_way -= 1
        return text_response("late")

    async def count(self, request: Request) -> Response:
        self.under_way += 1
        try:
            return text_response(str(sum([len(part) async for part in request.stream()])))
        finally:
            self.under_way -= 1

    async def large(self, request: Request) -> Response:
        async def produce() -> AsyncIterator[bytes]:
            self.under_way += 1
            try:
                for _ in range(200):
                    yield b"x" * 50_000
            finally:
                self.under_way -= 1

        return stream_response(produce(), content_type=b"text/plain", length_bytes=10_000_000)

    def routes(self) -> list[Route]:
        return [
            *routes("PUT", "/echo", self.echo, auth=Auth.NONE),
            *routes("GET", "/wait", self.wait, auth=Auth.NONE),
            *routes("POST", "/count", self.count, auth=Auth.NONE, stream=True, body_limit_bytes=20_000_000),
            *routes("GET", "/large", self.large, auth=Auth.NONE),
        ]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a scenario on one of the loops."""

    def on_loop(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(scenario)

    return on_loop


def test_requests_and_large_bodies_in_both_directions(run: Run) -> None:
    async def scenario() -> None:
        async with serving(Work().routes()) as server:
            assert (await ask(server, "GET", "/health")).body == b"OK"
            assert (await ask(server, "PUT", "/echo", content=b"x" * 900_000)).body == b"900000"
            assert (await ask(server, "POST", "/count", content=b"x" * 9_000_000)).body == b"9000000"
            assert len((await ask(server, "GET", "/large")).body) == 10_000_000
            assert (await ask(server, "HEAD", "/large")).headers["content-length"] == "10000000"
            put = b"PUT /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
            raw = await exchange(server, put * 30 + b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert [answer.body for answer in split(raw)] == [b"5"] * 30 + [b"OK"]

    run(scenario())


STAGES = [
    b"",
    b"GE",
    b"GET /wait HTTP/1.1\r\nHo",
    b"GET /wait HTTP/1.1\r\n\r\n",
    b"GET /wait HTTP/1.1\r\n\r\nGET /wait HTTP/1.1\r\n\r\nGET",
    b"PUT /echo HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + b"x" * 100_000,
    b"POST /count HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + b"x" * 100_000,
    b"GET /large HTTP/1.1\r\n\r\n",
    b"nonsense\r\n\r\n" + b"x" * 100_000,
]


@pytest.mark.parametrize("is_rude", [False, True])
def test_clients_that_leave_at_any_stage_leave_nothing_behind(
    run: Run, caplog: pytest.LogCaptureFixture, *, is_rude: bool
) -> None:
    async def scenario() -> None:
        work = Work()
        async with serving(work.routes()) as server:
            for sent in STAGES:
                reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
                writer.write(sent)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(10), 0.05)
                if is_rude:
                    writer.transport.abort()
                else:
                    writer.close()
            await until(lambda: work.under_way == 0)
            await until(lambda: not server._opened[0].connections._open)

    run(scenario())
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_tls_carries_large_bodies_and_sees_clients_leave(run: Run, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    key.write_text(KEY)
    certificate.write_text(CERTIFICATE)

    async def scenario() -> None:
        work = Work()
        listeners = await serve_listeners(
            work.routes(),
            [replace(LISTENER, tls=True)],
            authenticator=Tokens(),
            limiters={},
            tls=tls_context(str(certificate), str(key)),
        )
        trust = ssl.create_default_context(cafile=str(certificate))
        trust.check_hostname = False
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listeners), ssl=trust)
        try:
            writer.write(b"POST /count HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)
            assert (await reader.readuntil(b"1000000")).startswith(b"HTTP/1.1 200")
            writer.write(b"GET /wait HTTP/1.1\r\n\r\n")
            await until(lambda: work.under_way == 1)
            writer.close()
            await until(lambda: work.under_way == 0)
        finally:
            writer.transport.abort()
            await listeners.stop(grace_s=0.2)

    run(scenario())


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it has not come about")
