"""One HTTPS request to a machine that was found: what discovery and transport need of an HTTP client."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ranvier.net.peer import Peer
from ranvier.ports import FederationAnswer, FederationStream


class Exchange(Protocol):
    """Sends requests over connections that are kept and shared."""

    def exchange(
        self,
        *,
        method: str,
        peer: Peer,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limit_bytes: int,
    ) -> AbstractAsyncContextManager[FederationStream]:
        """The answer, while the context is open. No redirects; no timeout but that of connecting.

        Raises `FederationUnreachable`, also while the body is read.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


async def whole(stream: FederationStream) -> FederationAnswer:
    """The answer with all of its body, whose size the exchange bounds."""
    pieces = [piece async for piece in stream.chunks]
    return FederationAnswer(status=stream.status, headers=stream.headers, body=b"".join(pieces))
