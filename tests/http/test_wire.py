"""Bytes on one connection, however they are cut: every request is answered once, in order, and nothing breaks."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier.http.connections import KEEP_ALIVE, LINGER, SILENCE
from ranvier.http.reader import MAX_HEADERS, MAX_PIPELINED
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response, json_response, stream_response, text_response
from ranvier.http.route import Auth, routes
from tests.http.raw import Line


async def echo(request: Request) -> Response:
    return text_response(f"{request.method} {request.params.get('n', '')} {request.content.decode('latin-1')}")


async def later(request: Request) -> Response:
    for _ in range(3):
        await asyncio.sleep(0)
    return await echo(request)


async def count(request: Request) -> Response:
    return json_response({"size": sum([len(part) async for part in request.stream()])})


async def forever(request: Request) -> Response:
    await asyncio.Event().wait()
    return EMPTY_OBJECT


async def deaf(request: Request) -> Response:
    return EMPTY_OBJECT


async def pieces(request: Request) -> Response:
    async def produce() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"ab"
            await asyncio.sleep(0)

    return stream_response(produce(), content_type=b"text/plain", length_bytes=6)


async def broken(request: Request) -> Response:
    async def produce() -> AsyncIterator[bytes]:
        yield b"ab"
        raise RuntimeError("no more")

    return stream_response(produce(), content_type=b"text/plain")


async def short(request: Request) -> Response:
    async def produce() -> AsyncIterator[bytes]:
        yield b"ab"

    return stream_response(produce(), content_type=b"text/plain", length_bytes=6)


async def splitting(request: Request) -> Response:
    return Response(b"", headers=[(b"x", b"a\r\nset-cookie: b")])


TABLE = [
    *routes("GET", "/get/{n}", echo, auth=Auth.NONE),
    *routes("GET", "/later/{n}", later, auth=Auth.NONE),
    *routes("PUT", "/put/{n}", later, auth=Auth.NONE, body_limit_bytes=1000),
    *routes("PUT", "/mine", echo),
    *routes("PUT", "/big", later, auth=Auth.NONE, body_limit_bytes=1_000_000),
    *routes("POST", "/count", count, auth=Auth.NONE, stream=True, body_limit_bytes=10_000_000),
    *routes("POST", "/deaf", forever, auth=Auth.NONE, stream=True, body_limit_bytes=10_000_000),
    *routes("POST", "/unread", deaf, auth=Auth.NONE, stream=True, body_limit_bytes=10_000_000),
    *routes("GET", "/forever", forever, auth=Auth.NONE),
    *routes("GET", "/pieces", pieces, auth=Auth.NONE),
    *routes("GET", "/broken", broken, auth=Auth.NONE),
    *routes("GET", "/short", short, auth=Auth.NONE),
    *routes("GET", "/splitting", splitting, auth=Auth.NONE),
]


@asynccontextmanager
async def connected() -> AsyncIterator[Line]:
    line = Line(TABLE)
    try:
        yield line
    finally:
        await line.finish()


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode("latin-1")


def put(path: str, body: bytes, *headers: str, method: str = "PUT") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(path: str, *chunks: bytes) -> bytes:
    head = f"PUT {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x;x=y\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nTrailer: x\r\n\r\n"


REQUESTS: list[tuple[Callable[[int], bytes], Callable[[int], tuple[int, bytes]]]] = [
    (lambda n: get(f"/get/{n}"), lambda n: (200, b"GET %d " % n)),
    (lambda n: get(f"/later/{n}"), lambda n: (200, b"GET %d " % n)),
    (lambda n: get("/health"), lambda n: (200, b"OK")),
    (lambda n: put(f"/put/{n}", b"body"), lambda n: (200, b"PUT %d body" % n)),
    (lambda n: put(f"/put/{n}", b""), lambda n: (200, b"PUT %d " % n)),
    (lambda n: chunked(f"/put/{n}", b"one", b"two"), lambda n: (200, b"PUT %d onetwo" % n)),
    (lambda n: put("/count", b"x" * 100, method="POST"), lambda n: (200, b'{"size":100}')),
    (lambda n: put("/unread", b"x" * 100, method="POST"), lambda n: (200, b"{}")),
    (lambda n: put(f"/get/{n}", b"body", method="GET"), lambda n: (200, b"GET %d " % n)),
    (lambda n: get("/pieces"), lambda n: (200, b"ababab")),
    (lambda n: get("http://a/get/7"), lambda n: (200, b"GET 7 ")),
]

cuts = st.lists(st.integers(0, 4000), max_size=12)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


@settings(max_examples=120, deadline=None)
@given(kinds=st.lists(st.sampled_from(range(len(REQUESTS))), min_size=1, max_size=12), places=cuts)
async def test_requests_are_answered_in_order_however_they_are_cut(kinds: list[int], places: list[int]) -> None:
    async with connected() as line:
        for piece in cut(b"".join(REQUESTS[kind][0](n) for n, kind in enumerate(kinds)), places):
            await line.send(piece)
        await line.settle(turns=12 * len(kinds))
        got = [(answer.status, answer.body) for answer in line.answers]
        assert got == [REQUESTS[kind][1](n) for n, kind in enumerate(kinds)]
        assert not line.pipe.is_closed
        assert line.reads()


class Errors(logging.Handler):
    """What the server thinks is its own fault."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


garbage = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /get/1 HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"PUT /put/1 HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"PUT /put/1 HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            b"PUT /put/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"PUT /put/1 HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"CONNECT a:1 HTTP/1.1\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\n\r\n",
            b"GET /get/1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /get/1 HTTP/1.0\r\n\r\n",
            b"GET /get/1 HTTP/1.1\r\nConnection: close\r\n\r\n",
            get("/nothing"),
            get("/forever"),
            put("/deaf", b"abc", method="POST"),
            put("/mine", b"abc"),
            put("/get/1", b"x" * 10),
        ]
    ),
    st.sampled_from([request(3) for request, _ in REQUESTS]),
)


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(garbage, max_size=8), places=cuts, ending=st.sampled_from(["lose", "end", "sweep", "stop"]))
async def test_nothing_that_a_client_sends_or_omits_breaks_the_connection(
    parts: list[bytes], places: list[int], ending: str
) -> None:
    watching = Errors()
    logging.getLogger().addHandler(watching)
    try:
        async with connected() as line:
            for piece in cut(b"".join(parts), places):
                await line.send(piece)
            if ending == "lose":
                line.lose()
            elif ending == "end":
                await line.end()
            elif ending == "sweep":
                line.sweep(SILENCE * 3)
            else:
                line.connections.shut_down()
                line.connections.stop_waiting()
            await line.settle(turns=60)
            statuses = [answer.status for answer in line.answers]
            assert 500 not in statuses
        assert not line.connections.tasks()
    finally:
        logging.getLogger().removeHandler(watching)
    assert not watching.messages


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nA B\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01"])
async def test_nonsense_is_answered_behind_what_was_asked_before_and_ends_the_connection(sent: bytes) -> None:
    async with connected() as line:
        await line.send(get("/later/1") + sent)
        asked, refused = line.answers
        assert asked.status == 200
        assert (refused.status, refused.errcode, refused.headers["connection"]) == (400, "M_UNRECOGNIZED", "close")
        assert line.pipe.is_ended
        await line.send(get("/get/1"))
        assert len(line.answers) == 2
        line.sweep(LINGER + 1)
        assert line.pipe.is_closed


async def test_a_body_that_breaks_off_in_nonsense_is_the_clients_error() -> None:
    async with connected() as line:
        await line.send(b"PUT /put/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await line.send(b"nonsense\r\n")
        [refused] = line.answers
        assert (refused.status, refused.errcode, refused.headers["connection"]) == (400, "M_UNRECOGNIZED", "close")


@pytest.mark.parametrize(
    "head",
    [
        get("/get/1", *(f"X-{n}: y" for n in range(MAX_HEADERS))),
        get("/get/1", "X: " + "y" * 70_000),
        get("/get/" + "y" * 70_000),
    ],
)
@pytest.mark.parametrize("size", [1_000, 1_000_000])
async def test_heads_are_bounded(head: bytes, size: int) -> None:
    async with connected() as line:
        for start in range(0, len(head), size):
            await line.send(head[start : start + size])
        [refused] = line.answers
        assert (refused.status, refused.errcode) == (431, "M_TOO_LARGE")


async def test_one_answer_is_one_write() -> None:
    async with connected() as line:
        await line.send(get("/get/1") + put("/put/2", b"body") + get("/health"))
        assert (len(line.answers), line.pipe.writes) == (3, 3)


async def test_a_body_is_refused_before_it_has_come() -> None:
    async with connected() as line:
        await line.send(b"PUT /mine HTTP/1.1\r\nContent-Length: 500000\r\n\r\n")
        [refused] = line.answers
        assert (refused.status, refused.headers["connection"]) == (401, "close")
    async with connected() as line:
        await line.send(b"PUT /put/1 HTTP/1.1\r\nContent-Length: 1001\r\n\r\n")
        [refused] = line.answers
        assert (refused.status, refused.errcode) == (413, "M_TOO_LARGE")
        await line.send(b"x" * 1001 + get("/get/2"))
        assert [answer.status for answer in line.answers] == [413, 200], "so little is not worth a new connection"


async def test_leave_is_given_to_send_a_body_that_is_wanted() -> None:
    head = b"PUT /put/1 HTTP/1.1\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
    async with connected() as line:
        await line.send(head % 3)
        assert bytes(line.pipe.written) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.pipe.written.clear()
        await line.send(b"abc")
        assert line.answers[0].body == b"PUT 1 abc"
    async with connected() as line:
        await line.send(head % 1001)
        [refused] = line.answers
        assert (refused.status, refused.headers["connection"]) == (413, "close")


async def test_what_is_not_read_is_not_sent_either() -> None:
    async with connected() as line:
        await line.send(b"POST /deaf HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 70_000)
        assert not line.reads()
    async with connected() as line:
        await line.send(b"PUT /big HTTP/1.1\r\nContent-Length: 900000\r\n\r\n" + b"x" * 70_000)
        assert line.reads(), "somebody wants all of it"
        await line.send(b"x" * 830_000)
        assert line.answers[0].status == 200
    async with connected() as line:
        await line.send(b"POST /count HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n")
        for _ in range(90):
            assert line.reads()
            await line.send(b"x" * 100_000)
        assert line.answers[0].json == {"size": 9_000_000}
        assert line.reads()


@pytest.mark.parametrize("size", [65_536, 65_537, 200_000])
async def test_a_body_that_came_faster_than_it_was_read_holds_up_nothing_behind_it(size: int) -> None:
    for request in (put("/count", b"x" * size, method="POST"), put("/big", b"x" * size)):
        async with connected() as line:
            for piece in (request, get("/get/2"), request + get("/get/3")):
                assert line.reads()
                await line.send(piece)
            assert line.reads()
            assert [answer.status for answer in line.answers] == [200] * 4


async def test_many_requests_at_once_stop_the_reading_and_at_last_the_connection() -> None:
    async with connected() as line:
        line.protocol.data_received(get("/later/1") * 20)
        assert not line.reads()
        await line.settle(turns=200)
        assert line.reads()
        assert len(line.answers) == 20
    async with connected() as line:
        line.protocol.data_received(get("/later/1") * (MAX_PIPELINED * 2))
        await line.settle(turns=2000)
        assert len(line.answers) == MAX_PIPELINED + 1
        assert line.answers[-1].headers["connection"] == "close"
        assert all("connection" not in answer.headers for answer in line.answers[:-1])


async def test_half_closed_clients_are_answered() -> None:
    async with connected() as line:
        line.protocol.data_received(get("/later/1") + put("/put/2", b"body"))
        await line.end()
        assert [answer.status for answer in line.answers] == [200, 200]
        assert line.pipe.is_closed
    async with connected() as line:
        line.protocol.data_received(put("/put/2", b"body")[:-1])
        await line.end()
        assert not line.answers
        assert line.pipe.is_closed


async def test_a_slow_reader_stops_the_stream_and_one_that_has_left_ends_it() -> None:
    ended = asyncio.Event()
    produced = 0

    async def endless(request: Request) -> Response:
        async def produce() -> AsyncIterator[bytes]:
            nonlocal produced
            try:
                while True:
                    produced += 1
                    yield b"x"
                    await asyncio.sleep(0)
            finally:
                ended.set()

        return stream_response(produce(), content_type=b"text/plain")

    line = Line(routes("GET", "/endless", endless, auth=Auth.NONE))
    await line.send(get("/endless"))
    line.protocol.pause_writing()
    await line.settle()
    before = produced
    await line.settle()
    assert produced == before
    line.protocol.resume_writing()
    await line.settle()
    assert produced > before
    line.lose()
    await line.settle()
    assert ended.is_set()
    await line.finish()


@pytest.mark.parametrize("path", ["/broken", "/short"])
async def test_an_answer_that_breaks_off_does_not_look_complete(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as line:
        await line.send(get(path))
        assert line.pipe.is_aborted
        assert not line.pipe.written.endswith(b"0\r\n\r\n")
    assert "Failed to send the body" in caplog.text


async def test_http_1_0_gets_no_chunks() -> None:
    async with connected() as line:
        await line.send(b"GET /broken HTTP/1.0\r\n\r\n")
        assert b"transfer-encoding" not in line.pipe.written


async def test_a_header_cannot_split_the_response(caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as line:
        await line.send(get("/splitting"))
        assert [answer.status for answer in line.answers] == [500]


async def test_an_upgrade_is_ignored() -> None:
    async with connected() as line:
        await line.send(get("/get/1", "Connection: Upgrade", "Upgrade: h2c"))
        [answer] = line.answers
        assert answer.status == 200
        assert answer.headers["connection"] == "close"


async def test_clients_that_are_too_slow_are_closed() -> None:
    for begun, limit in ((b"", SILENCE), (b"GET /get/1 HT", SILENCE), (get("/get/1"), KEEP_ALIVE)):
        async with connected() as line:
            await line.send(begun)
            line.sweep(limit)
            assert not line.pipe.is_closed
            line.sweep(1)
            assert line.pipe.is_closed


async def test_a_head_may_not_trickle_and_a_body_may_not_either() -> None:
    async with connected() as line:
        for byte in get("/get/1", "X: " + "y" * 100):
            await line.send(bytes([byte]))
            line.sweep(1)
            if line.pipe.is_closed:
                break
        assert line.pipe.is_closed
        assert not line.answers
    async with connected() as line:
        await line.send(b"PUT /big HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(SILENCE + 1):
            await line.send(b"x")
            line.sweep(1)
        assert line.pipe.is_aborted


async def test_a_large_body_and_a_long_poll_may_take_their_time() -> None:
    async with connected() as line:
        await line.send(b"PUT /big HTTP/1.1\r\nContent-Length: 900000\r\n\r\n")
        for _ in range(100):
            await line.send(b"x" * 9000)
            line.sweep(1)
        assert line.answers[0].status == 200
    async with connected() as line:
        await line.send(get("/forever"))
        line.sweep(SILENCE * 10)
        assert not line.pipe.is_closed


async def test_an_answer_that_nobody_takes_is_dropped_but_not_one_that_is_taken_slowly() -> None:
    async with connected() as line:
        await line.send(get("/get/1"))
        line.connections.shut_down()
        line.pipe.unsent_bytes = 10_000
        for _ in range(SILENCE * 2):
            line.pipe.unsent_bytes -= 10
            line.sweep(1)
        assert not line.pipe.is_aborted
        line.sweep(SILENCE)
        assert line.pipe.is_aborted


async def test_stopping_closes_idle_connections_at_once_and_others_after_their_answer() -> None:
    async with connected() as line:
        await line.send(get("/get/1"))
        line.connections.shut_down()
        assert line.pipe.is_closed
    async with connected() as line:
        line.protocol.data_received(get("/later/1"))
        line.connections.shut_down()
        await line.settle()
        assert line.answers[0].headers["connection"] == "close"
        assert line.pipe.is_closed
