"""Parts that only work where something further is installed."""

from collections.abc import Iterable
from typing import Protocol

from ranvier.config.model import Config
from ranvier.http.route import Route
from ranvier.ports import StreamingTransport


class CannotStart(Exception):
    """A part that the configuration asks for is not installed; the text is for the operator."""


class Tracing(Protocol):
    """What follows requests, where that is wanted (`ranvier.app.tracing`)."""

    def routes(self, routes: Iterable[Route]) -> list[Route]:
        """The same routes, each call of which is a part of a trace."""
        ...

    def transport(self, transport: StreamingTransport) -> StreamingTransport:
        """The same transport, each request of which is a part of a trace."""
        ...

    async def close(self) -> None:
        """Send what is left."""
        ...


def open_tracing(config: Config) -> Tracing | None:
    """`None` where nobody wants it. Raises `CannotStart`."""
    if config.tracing is None:
        return None
    try:
        # Only who traces needs what does so.
        from ranvier.app.tracing.open import OpenTracing
    except ModuleNotFoundError as error:
        raise CannotStart(
            "opentracing is enabled, but what traces is not installed: pip install 'ranvier[tracing]'"
        ) from error
    return OpenTracing(config.tracing, server_name=config.server_name)
