"""The web as a test wants it, without sockets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ranvier.net.peer import Peer
from ranvier.ports import FederationStream, FederationUnreachable


@dataclass(frozen=True, slots=True)
class Page:
    """What a URL has."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class FakeExchange:
    """Implements `Exchange`: pages by URL; anything else cannot be reached."""

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    delay_s: float = 0

    @asynccontextmanager
    async def exchange(
        self,
        *,
        method: str,
        peer: Peer,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limit_bytes: int,
    ) -> AsyncIterator[FederationStream]:
        url = f"https://{peer.host_header}{target}"
        self.asked.append(url)
        self.peers.append(peer)
        self.limits.append(limit_bytes)
        await asyncio.sleep(self.delay_s)
        page = self.pages.get(url)
        if page is None:
            raise FederationUnreachable(f"{url}: nobody there")
        yield FederationStream(status=page.status, headers=page.headers, chunks=_pieces(page.body))

    async def close(self) -> None:
        return


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 7):
        yield body[start : start + 7]
