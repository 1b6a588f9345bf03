"""Requests to other servers by their names. Implements `StreamingTransport` of `ranvier.ports`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ranvier.config.outbound_sections import FederationConfig
from ranvier.net.discovery import Discovery
from ranvier.net.exchange import Exchange, whole
from ranvier.net.once import Once
from ranvier.net.resolver import Resolver
from ranvier.ports import FederationAnswer, FederationStream, FederationUnreachable

PrepareTrust = Callable[[FederationConfig], Callable[[], None]]
"""Loads certificates; what makes new connections trust them."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What requests go through."""

    resolver: Resolver
    https: Exchange
    discovery: Discovery

    async def close(self) -> None:
        """Close connections and sockets, and give up on what is being looked for."""
        await self.discovery.close()
        await self.https.close()
        await self.resolver.close()


class NetTransport:
    """The real network."""

    def __init__(self, open: Callable[[], Reach], *, prepare_trust: PrepareTrust | None = None) -> None:
        """`open` loads libraries and certificates; it is called in a thread, when the first request comes."""
        self._open = open
        self._prepare_trust = prepare_trust
        self._opening: Once[Reach] = Once()
        self._reach: Reach | None = None
        self._is_closed = False

    async def request(
        self,
        *,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> FederationAnswer:
        streaming = self.stream(
            method=method,
            destination=destination,
            target=target,
            headers=headers,
            body=body,
            timeout_s=timeout_s,
            limit_bytes=limit_bytes,
        )
        async with streaming as stream:
            return await whole(stream)

    @asynccontextmanager
    async def stream(
        self,
        *,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> AsyncIterator[FederationStream]:
        reach: Reach | None = None
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                reach = await self._reached()
                exchange = reach.https.exchange(
                    method=method,
                    peer=await reach.discovery.find(destination),
                    target=target,
                    headers=headers,
                    body=body,
                    limit_bytes=limit_bytes,
                )
                async with exchange as stream:
                    yield stream
        except TimeoutError as error:
            if not limit.expired():
                raise  # the caller's own
            _forget(reach, destination)
            raise FederationUnreachable(f"{destination}: no whole answer within {timeout_s:g} seconds") from error
        except FederationUnreachable:
            _forget(reach, destination)
            raise

    def prepare_trust(self, federation: FederationConfig) -> Callable[[], None]:
        """What makes new connections trust whom this configuration trusts. Raises `OSError` or `ValueError`."""
        return _change_nothing if self._prepare_trust is None else self._prepare_trust(federation)

    async def close(self) -> None:
        """Close everything. Requests fail from now on."""
        self._is_closed = True
        await self._opening.close()
        if self._reach is not None:
            await self._reach.close()

    async def _reached(self) -> Reach:
        if self._is_closed:
            raise FederationUnreachable("this server is going down")
        if self._reach is None:
            self._reach = await self._opening.run("", self._load)
        return self._reach

    async def _load(self) -> Reach:
        try:
            return await asyncio.to_thread(self._open)
        except OSError as error:
            raise FederationUnreachable(f"connections cannot be secured: {error}") from error


def _forget(reach: Reach | None, destination: str) -> None:
    if reach is not None:
        reach.discovery.forget(destination)


def _change_nothing() -> None:
    pass
