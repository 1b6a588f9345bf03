"""Connections: clients that go away, servers that stop, sockets of every kind."""

import asyncio
import ssl
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ranvier.config.sections import Resource
from ranvier.http.listeners import serve_listeners, served_resources, tls_context
from ranvier.http.protocol import PATIENCE_S
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response, text_response
from ranvier.http.route import Auth, Route, routes
from ranvier.http.sockets import ListenError
from tests.http.certificate import CERTIFICATE, KEY
from tests.http.server import LISTENER, Tokens, ask, exchange, parse, port_of, serving


class Slow:
    """Calls that last as long as the test likes, and say how they ended."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended = asyncio.Event()
        self.outcome = ""

    async def wait(self, request: Request) -> Response:
        self.begun.set()
        try:
            await self.may_end.wait()
            self.outcome = "finished"
        except asyncio.CancelledError:
            self.outcome = "cancelled"
            raise
        finally:
            self.ended.set()
        return EMPTY_OBJECT

    def routes(self) -> list[Route]:
        return [
            *routes("GET", "/wait", self.wait, auth=Auth.NONE),
            *routes("PUT", "/change", self.wait, auth=Auth.NONE),
            *routes("POST", "/poll", self.wait, auth=Auth.NONE, cancel=True),
        ]


async def start(port: int, request: bytes) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    return writer


@pytest.mark.parametrize(
    ("request_line", "outcome"),
    [
        (b"GET /wait", "cancelled"),
        (b"POST /poll", "cancelled"),
        (b"PUT /change", "finished"),
    ],
)
async def test_work_for_a_client_that_left_is_cancelled_unless_it_changes_something(
    request_line: bytes, outcome: str
) -> None:
    slow = Slow()
    async with serving(slow.routes()) as server:
        writer = await start(port_of(server), request_line)
        await slow.begun.wait()
        writer.close()
        await asyncio.sleep(PATIENCE_S + 0.1)
        if outcome == "finished":
            assert not slow.ended.is_set()
            slow.may_end.set()
        await asyncio.wait_for(slow.ended.wait(), 1)
    assert slow.outcome == outcome


async def test_stopping_finishes_changes_and_sends_long_polls_away() -> None:
    slow, change = Slow(), Slow()
    table = [*slow.routes()[:1], *change.routes()[1:2]]
    async with serving(table) as server:
        waiting = asyncio.create_task(exchange(server, b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"))
        changing = asyncio.create_task(
            exchange(server, b"PUT /change HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        )
        await slow.begun.wait()
        await change.begun.wait()
        stopping = asyncio.create_task(server.stop(grace_s=5))
        polled = parse(await waiting)
        assert (polled.status, polled.errcode) == (503, "M_UNKNOWN")
        change.may_end.set()
        assert parse(await changing).status == 200
        await stopping
    assert change.outcome == "finished"


async def test_what_does_not_end_is_cancelled_at_last(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow = Slow()
    async with serving(slow.routes()) as server:
        writer = await start(port_of(server), b"PUT /change")
        await slow.begun.wait()
        await server.stop(grace_s=0.05)
        writer.close()
    assert slow.outcome == "cancelled"
    assert "took too long" in caplog.text


async def hello(request: Request) -> Response:
    return text_response(f"{request.scheme} {request.client_ip}")


HELLO = routes("GET", "/hello", hello, auth=Auth.NONE)


async def test_a_unix_socket_has_its_mode_and_replaces_a_stale_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "socket"
    listener = replace(LISTENER, port=None, bind_addresses=(), path=str(path), mode=0o600)
    for _ in range(2):
        async with serving(HELLO, listener=listener):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert parse(await reader.read()).body == b"http "
            writer.close()
            with pytest.raises(ListenError):
                await serve_listeners(HELLO, [listener], authenticator=Tokens(), limiters={})


async def test_several_addresses_and_listeners_with_different_resources() -> None:
    one = replace(LISTENER, bind_addresses=("127.0.0.1", "127.0.0.2"))
    other = replace(LISTENER, resources=(Resource(("health",), compress=False),))
    listeners = await serve_listeners(HELLO, [one, other], authenticator=Tokens(), limiters={})
    try:
        addresses = [address for _, address in listeners.addresses]
        assert [address[0] for address in addresses if isinstance(address, tuple)] == [
            "127.0.0.1",
            "127.0.0.2",
            "127.0.0.1",
        ]
    finally:
        await listeners.stop()


async def test_a_taken_port_is_told_and_leaves_nothing_open() -> None:
    async with serving(HELLO) as server:
        taken = replace(LISTENER, port=port_of(server))
        free = replace(LISTENER)
        with pytest.raises(ListenError, match=str(taken.port)):
            await serve_listeners(HELLO, [free, taken], authenticator=Tokens(), limiters={})


def test_resources_imply_others() -> None:
    assert served_resources(["client"]) == {"client", "media", "static"}
    assert served_resources(["federation"]) == {"federation", "media", "keys", "openid"}
    assert served_resources(["keys"]) == {"keys"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    key.write_text(KEY)
    cert.write_text(CERTIFICATE)
    return str(cert), str(key)


async def test_tls(certificate: tuple[str, str]) -> None:
    listener = replace(LISTENER, tls=True)
    with pytest.raises(ListenError, match="tls_certificate_path"):
        await serve_listeners(HELLO, [listener], authenticator=Tokens(), limiters={})
    listeners = await serve_listeners(
        HELLO,
        [listener],
        authenticator=Tokens(),
        limiters={},
        tls=tls_context(*certificate),
    )
    try:
        trust = ssl.create_default_context(cafile=certificate[0])
        trust.check_hostname = False
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listeners), ssl=trust)
            writer.write(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert parse(await reader.read()).body == b"https 127.0.0.1"
            writer.close()
            await writer.wait_closed()
            listeners.reload_tls(*certificate)
    finally:
        await listeners.stop()


async def large(request: Request) -> Response:
    return text_response("a" * int(request.params["size"]))


@pytest.mark.parametrize("size", ["5000", "100000"])
async def test_bodies_are_compressed_where_the_listener_says_so(size: str) -> None:
    table = routes("GET", "/large/{size}", large, auth=Auth.NONE)
    headers = {"Accept-Encoding": "br, gzip;q=0.8"}
    async with serving(table) as server:
        assert "content-encoding" not in (await ask(server, "GET", f"/large/{size}", headers=headers)).headers
    listener = replace(LISTENER, resources=(Resource(("client",), compress=True),))
    async with serving(table, listener=listener) as server:
        answer = await ask(server, "GET", f"/large/{size}", headers=headers)
        assert answer.headers["content-encoding"] == "gzip"
        assert len(answer.body) < 1000
        for refused in ("identity", "gzip;q=0"):
            plain = await ask(server, "GET", f"/large/{size}", headers={"Accept-Encoding": refused})
            assert "content-encoding" not in plain.headers


async def test_a_client_that_sends_more_than_it_may_sees_why() -> None:
    table = routes("PUT", "/small", hello, auth=Auth.NONE, body_limit_bytes=10)
    async with serving(table) as server:
        answer = await ask(server, "PUT", "/small", content=b"x" * 3_000_000)
    assert (answer.status, answer.errcode) == (413, "M_TOO_LARGE")


async def test_a_head_without_end_is_cut_off() -> None:
    async with serving(HELLO) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(b"GET /hello HTTP/1.1\r\nX: ")
        try:
            for _ in range(100):
                writer.write(b"a" * 4096)
                await writer.drain()
                await asyncio.sleep(0)
            refused = parse(await reader.read())
            assert (refused.status, refused.errcode) == (431, "M_TOO_LARGE")
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01",
    ],
)
async def test_nonsense_is_refused(sent: bytes) -> None:
    async with serving(HELLO) as server:
        raw = await exchange(server, sent + b"\r\n\r\n")
    assert raw.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
