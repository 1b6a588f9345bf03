"""What an answer may cost: size, time, connections; and what becomes of a connection."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest

from ranvier.net.transport import NetTransport
from ranvier.ports import FederationStream, FederationUnreachable
from tests.net.authority import Authority
from tests.net.names import FakeResolver
from tests.net.network import ask, network
from tests.net.peers import Answering, Asked, TlsPeer, says, tls_peer

Meeting = Callable[[Answering], AbstractAsyncContextManager[tuple[TlsPeer, NetTransport, str]]]


@pytest.fixture
def meeting(authority: Authority) -> Meeting:
    """A server that answers so, a transport, and the server's name."""

    @asynccontextmanager
    async def meet(answer: Answering) -> AsyncIterator[tuple[TlsPeer, NetTransport, str]]:
        resolver = FakeResolver(hosts={"there.example": ["127.0.0.1"]})
        async with (
            tls_peer(authority.server_context("there.example"), answer) as peer,
            network(resolver, trusting=authority) as transport,
        ):
            yield peer, transport, f"there.example:{peer.port}"

    return meet


def writes(*pieces: bytes, pause_s: float = 0, then_close: bool = False) -> Answering:
    """Answers with these bytes as they are."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        if then_close:
            writer.close()

    return answer


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_an_answer_that_is_just_small_enough(meeting: Meeting) -> None:
    async with meeting(says(b"x" * 10_000)) as (_, transport, there):
        assert len((await ask(transport, there, limit_bytes=10_000)).body) == 10_000


@pytest.mark.parametrize(
    "answer",
    [
        says(b"x" * 10_001),
        says(gzip.compress(b"x" * 10_001), headers="Content-Encoding: gzip\r\n"),
        writes(_CHUNKED + b"2711\r\n" + b"x" * 10_001 + b"\r\n0\r\n\r\n"),
        writes(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_001, then_close=True),
    ],
    ids=["length", "gzip", "chunked", "until closed"],
)
async def test_an_answer_that_is_too_large(meeting: Meeting, answer: Answering) -> None:
    async with meeting(answer) as (_, transport, there):
        with pytest.raises(FederationUnreachable, match="more than 10000 bytes"):
            await ask(transport, there, limit_bytes=10_000)


async def test_an_endless_answer_is_left_early(meeting: Meeting) -> None:
    written = 0

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(_CHUNKED)
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()
            written += 65536

    async with meeting(answer) as (_, transport, there):
        with pytest.raises(FederationUnreachable, match="more than"):
            await ask(transport, there, limit_bytes=100_000)
        await asyncio.sleep(0.05)
    # What the buffers of both sides hold, and not what could be sent in that time.
    assert written < 16 << 20


async def test_a_bomb_is_not_inflated_beyond_the_limit(meeting: Meeting) -> None:
    bomb = gzip.compress(b"\0" * (256 << 20), compresslevel=1)
    async with meeting(says(bomb, headers="Content-Encoding: gzip\r\n")) as (_, transport, there):
        with pytest.raises(FederationUnreachable, match="more than"):
            await ask(transport, there, limit_bytes=2 << 20)


async def test_compressed_answers_are_inflated(meeting: Meeting) -> None:
    answer = says(gzip.compress(b"{}" * 50_000), headers="Content-Encoding: gzip\r\n")
    async with meeting(answer) as (peer, transport, there):
        assert (await ask(transport, there)).body == b"{}" * 50_000
    assert peer.last.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    "answer",
    [
        writes(pause_s=30),
        writes(*[bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"], pause_s=0.05),
        writes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *[b"x"] * 100, pause_s=0.05),
    ],
    ids=["silence", "dripping head", "dripping body"],
)
async def test_an_answer_that_takes_too_long(meeting: Meeting, answer: Answering) -> None:
    async with meeting(answer) as (_, transport, there):
        started = asyncio.get_running_loop().time()
        with pytest.raises(FederationUnreachable, match=r"within 0\.3 seconds"):
            await ask(transport, there, timeout_s=0.3)
        assert asyncio.get_running_loop().time() - started < 1


async def test_a_server_that_accepts_and_says_nothing() -> None:
    """Not even its part of the TLS handshake."""
    left = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        left.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with network(FakeResolver()) as transport:
        with pytest.raises(FederationUnreachable, match="within"):
            await ask(transport, f"127.0.0.1:{port}", timeout_s=0.2)
        await asyncio.wait_for(left.wait(), 3)
    server.close()


@pytest.mark.parametrize(
    "answer",
    [
        writes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        writes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", then_close=True),
        writes(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", then_close=True),
        writes(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", then_close=True),
        writes(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", then_close=True),
        writes(_CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", then_close=True),
        says(b"not gzip", headers="Content-Encoding: gzip\r\n"),
        writes(then_close=True),
    ],
    ids=["ssh", "cut", "length", "long header", "many headers", "chunk", "gzip", "closed"],
)
async def test_an_answer_that_is_rubbish(meeting: Meeting, answer: Answering) -> None:
    async with meeting(answer) as (_, transport, there):
        with pytest.raises(FederationUnreachable):
            await ask(transport, there)


async def test_a_server_that_speaks_no_tls(authority: Authority) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with network(FakeResolver(), trusting=authority) as transport:
        with pytest.raises(FederationUnreachable):
            await ask(transport, f"127.0.0.1:{port}")
    server.close()


async def test_connections_are_kept(meeting: Meeting) -> None:
    async with meeting(says(b"{}")) as (peer, transport, there):
        for _ in range(5):
            await ask(transport, there)
    assert peer.connections == 1


async def test_a_connection_with_something_left_on_it_is_not_used_again(meeting: Meeting) -> None:
    async with meeting(says(b"x" * 4_000_000)) as (peer, transport, there):
        with pytest.raises(FederationUnreachable):
            await ask(transport, there, limit_bytes=10)
        assert len((await ask(transport, there, limit_bytes=4_000_000)).body) == 4_000_000
    assert peer.connections == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_kept_connection_that_the_server_closes_costs_nothing(meeting: Meeting, method: str) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        # The second request of a connection finds it closed.
        if any(before.connection == asked.connection for before in peer.requests[:-1]):
            writer.transport.abort()
            return
        await says(b"{}")(asked, writer)

    async with meeting(answer) as (peer, transport, there):
        for _ in range(3):
            assert (await ask(transport, there, method=method, body=b"{}")).status == 200


async def test_no_more_than_eight_connections_to_a_server(meeting: Meeting) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        await says(b"{}")(asked, writer)

    async with meeting(answer) as (peer, transport, there):
        await asyncio.gather(*(ask(transport, there) for _ in range(30)))
    assert peer.connections <= 8
    assert len(peer.requests) == 30


async def test_one_who_gives_up_leaves_the_others_alone(meeting: Meeting) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        await says(asked.target.encode())(asked, writer)

    async with meeting(answer) as (_, transport, there):
        requests = [asyncio.ensure_future(ask(transport, there, target=f"/{number}")) for number in range(12)]
        await asyncio.sleep(0.05)
        for request in requests[::2]:
            request.cancel()
        answers = await asyncio.gather(*requests[1::2])
    assert [answer.body for answer in answers] == [f"/{number}".encode() for number in range(1, 12, 2)]


def _stream(
    transport: NetTransport, there: str, *, timeout_s: float = 5, limit_bytes: int = 1 << 30
) -> AbstractAsyncContextManager[FederationStream]:
    return transport.stream(
        method="GET",
        destination=there,
        target="/",
        headers={},
        body=None,
        timeout_s=timeout_s,
        limit_bytes=limit_bytes,
    )


async def test_a_large_answer_comes_in_pieces_and_waits_for_its_reader(meeting: Meeting) -> None:
    written = 0
    total = 32 << 20

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {total}\r\nX-Y: z\r\n\r\n".encode())
        for _ in range(total >> 16):
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    async with meeting(answer) as (_, transport, there):
        async with _stream(transport, there) as stream:
            assert (stream.status, stream.headers["x-y"]) == (200, "z")
            assert len(await anext(stream.chunks)) > 0
            await asyncio.sleep(0.2)
            assert written < total // 2
            size = 0
            async for chunk in stream.chunks:
                assert len(chunk) <= 1 << 20
                size += len(chunk)
        assert size > total - (1 << 20)
        assert written == total


async def test_a_stream_that_grows_too_large(meeting: Meeting) -> None:
    async with meeting(writes(_CHUNKED, *[b"4\r\nxxxx\r\n"] * 100)) as (_, transport, there):
        received = b""
        with pytest.raises(FederationUnreachable, match="more than 30 bytes"):
            async with _stream(transport, there, limit_bytes=30) as stream:
                async for chunk in stream.chunks:
                    received += chunk
        assert len(received) <= 30


async def test_a_stream_that_stops_coming(meeting: Meeting) -> None:
    async with meeting(writes(_CHUNKED, b"4\r\nxxxx\r\n", pause_s=10)) as (_, transport, there):
        with pytest.raises(FederationUnreachable, match="within"):
            async with _stream(transport, there, timeout_s=0.3) as stream:
                async for _chunk in stream.chunks:
                    pass


async def test_a_stream_that_nobody_reads_to_its_end(meeting: Meeting) -> None:
    closed = asyncio.Event()

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(_CHUNKED)
        try:
            while True:
                writer.write(b"4\r\nxxxx\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        except (ConnectionError, ssl.SSLError):
            closed.set()

    async with meeting(answer) as (_, transport, there):
        async with _stream(transport, there) as stream:
            await anext(stream.chunks)
        await asyncio.wait_for(closed.wait(), 3)


async def test_what_the_reader_of_a_stream_raises_is_his_own(meeting: Meeting) -> None:
    async with meeting(says(b"x" * 1000)) as (_, transport, there):
        for error in (TimeoutError("mine"), KeyError("mine")):
            with pytest.raises(type(error), match="mine"):
                async with _stream(transport, there):
                    raise error


async def test_closing_ends_what_is_under_way(meeting: Meeting) -> None:
    async with meeting(writes(pause_s=30)) as (_, transport, there):
        request = asyncio.ensure_future(ask(transport, there))
        await asyncio.sleep(0.1)
        await transport.close()
        with pytest.raises(FederationUnreachable):
            await request
        with pytest.raises(FederationUnreachable, match="going down"):
            await ask(transport, there)


async def test_a_transport_that_was_never_used_closes() -> None:
    async with network(FakeResolver()):
        pass
