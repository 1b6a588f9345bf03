"""Answers that are read as they come in."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.ports import FederationAnswer, FederationStream, FederationUnreachable
from tests.federation.key_servers import OWN, key
from tests.federation.wire import FakeClock, FakeHealth, Wire, answer


class _Streams:
    """A transport that tells an answer piece by piece, and may break off."""

    def __init__(self, status: int, pieces: list[bytes], *, breaks: bool = False) -> None:
        self._answer = status, pieces, breaks
        self.open = 0

    async def request(self, **_: Any) -> FederationAnswer:
        raise AssertionError("not streamed")

    def stream(self, **_: Any) -> "_Streams":
        return self

    async def __aenter__(self) -> FederationStream:
        self.open += 1
        return FederationStream(self._answer[0], {}, self._pieces())

    async def __aexit__(self, *_: object) -> None:
        self.open -= 1

    async def _pieces(self) -> AsyncIterator[bytes]:
        for piece in self._answer[1]:
            yield piece
        if self._answer[2]:
            raise FederationUnreachable("gone")


def _client(transport: Any, health: FakeHealth) -> FederationClient:
    return FederationClient(
        transport=transport, server_name=OWN, signing_key=key(OWN), health=health, clock=FakeClock()
    )


async def _read(client: FederationClient) -> list[bytes]:
    async with client.stream("a.test", "/x", timeout_s=9, limit_bytes=99) as answer:
        return [chunk async for chunk in answer.chunks]


async def test_pieces_are_handed_on() -> None:
    transport = _Streams(200, [b"a", b"b"])
    assert await _read(_client(transport, FakeHealth())) == [b"a", b"b"]
    assert not transport.open


async def test_refusals_are_told() -> None:
    transport = _Streams(403, [b'{"errcode":', b'"M_FORBIDDEN"}'])
    with pytest.raises(RemoteError) as caught:
        await _read(_client(transport, FakeHealth()))
    assert (caught.value.status, caught.value.errcode) == (403, "M_FORBIDDEN")
    assert not transport.open


async def test_breaking_off_is_noticed() -> None:
    transport = _Streams(200, [b"a"], breaks=True)
    with pytest.raises(Unreachable):
        await _read(_client(transport, FakeHealth()))
    assert not transport.open


async def test_a_transport_without_streams_will_do() -> None:
    wire = Wire()

    async def serve(_: Any) -> FederationAnswer:
        return answer({"a": 1})

    wire.servers["a.test"] = serve
    assert await _read(_client(wire, FakeHealth())) == [b'{"a": 1}']
