"""Servers that are in a room, and asking them one after the other until one helps.

Spec: server-server API, "Joining Rooms": any of the candidates may be used; `/make_join` and `/send_join`, the errors
that are passed on to the client.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from ranvier.federation.client import RemoteError, Unreachable
from ranvier.proto.errors import MatrixError, not_found
from ranvier.proto.handshakes.bad_answer import BadAnswer
from ranvier.proto.ids import is_server_name

logger = logging.getLogger(__name__)

MOST: Final = 12
"""How many servers are asked at most for one request of a user."""
_OURS: Final = frozenset({"M_MISSING_PARAM", "M_INVALID_PARAM", "M_BAD_JSON", "M_NOT_JSON", "M_UNRECOGNIZED"})
"""Errors that blame the request: this server made it, not the client."""
_FINAL: Final = frozenset({"M_INCOMPATIBLE_ROOM_VERSION", "M_INVITE_BLOCKED"})
"""Errors that every other server would answer too."""

T = TypeVar("T")


def candidates(names: Iterable[str], *, server_name: str, most: int = MOST) -> list[str]:
    """The first of these servers that are not ourselves, each once."""
    found = dict.fromkeys(name for name in names if is_server_name(name) and name != server_name)
    return list(found)[:most]


async def ask_each(servers: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> T:
    """The answer of the first server that gives one.

    Raises the most telling error if none does; 404 `M_NOT_FOUND` if there is none to ask.
    """
    errors: list[MatrixError] = []
    for server in servers:
        try:
            return await ask(server)
        except RemoteError as error:
            logger.info("%s refuses: %d %s %s", server, error.status, error.errcode, error.error)
            errors.append(passed_on(error, server))
            if error.errcode in _FINAL:
                break
        except (Unreachable, BadAnswer) as error:
            logger.info("%s does not help: %s", server, error)
            errors.append(MatrixError(502, "M_UNKNOWN", f"{server} does not help: {error}"))
    if not errors:
        raise not_found("No server is known that is in this room")
    raise min(errors, key=_rank)


def passed_on(error: RemoteError, server: str) -> MatrixError:
    """What a client is told when another server answers with an error."""
    if error.status not in (400, 403, 404, 429) or error.errcode in _OURS or not error.errcode.startswith("M_"):
        return MatrixError(502, "M_UNKNOWN", f"{server} answers {error.status}: {error.error}")
    version = error.body.get("room_version")
    extra = {"room_version": version} if isinstance(version, str) and len(version) < 100 else {}
    return MatrixError(error.status, error.errcode, error.error or f"{server} refuses", extra=extra)


def _rank(error: MatrixError) -> int:
    """The smaller, the more the user learns from it."""
    if error.errcode in _FINAL:
        return 0
    return {403: 1, 400: 2, 429: 3, 404: 4}.get(error.status, 5)
