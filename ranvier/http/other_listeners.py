"""Listeners of other types than `http`: their sockets are opened here, what speaks on them comes from a table.

Configuration: `listeners[].type`. The table (`Homeserver.listen`) has one `Opener` for each type.
"""

import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from ranvier.config.sections import Listener, ListenerType
from ranvier.http.sockets import open_sockets

logger = logging.getLogger(__name__)


class OpenListener(Protocol):
    """A listener that accepts connections."""

    async def stop(self) -> None:
        """Accept nothing more, and end what is open."""
        ...


Opener = Callable[[Listener, list[socket.socket]], Awaitable[OpenListener]]
"""Makes a listener of sockets that are bound and listen; from then on they are its own, also when it raises.

Raises `ListenError`.
"""


async def open_others(listeners: Iterable[Listener], openers: Mapping[ListenerType, Opener]) -> list[OpenListener]:
    """Open every listener whose type is in the table. Raises `ListenError`; then none is left open."""
    opened: list[OpenListener] = []
    try:
        for listener in listeners:
            opener = openers.get(listener.type)
            if opener is not None:
                opened.append(await opener(listener, open_sockets(listener)))
                logger.info("Listening on %s for %s", listener.log_tag, listener.type)
    except BaseException:
        await stop_others(opened)
        raise
    return opened


async def stop_others(opened: Iterable[OpenListener]) -> None:
    """Stop them, one after the other."""
    for listener in opened:
        await listener.stop()
