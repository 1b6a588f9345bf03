"""EDUs from other servers: sorted by what they are about, and taken in.

Spec: server-server API, "EDUs", "Typing Notifications", "Presence", "Receipts", "Device Management", "Send-to-device
messaging". What is malformed, or about users of another server than the one that sends, is passed over. What must not be
lost is durable when this returns.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ranvier.proto.errors import MatrixError

logger = logging.getLogger(__name__)

Contents = Sequence[Mapping[str, Any]]
Take = Callable[[str, Contents], Awaitable[None]]
"""Takes the contents of all EDUs of a kind that one server has sent at once."""


class IncomingEdus:
    """One a process."""

    def __init__(self, *, durable: Mapping[str, Take], passing: Mapping[str, Take]) -> None:
        """By `edu_type`: who takes what a client would miss for ever, and who takes what is soon told again."""
        self._durable = durable
        self._passing = passing

    async def take(self, origin: str, edus: Sequence[Mapping[str, Any]]) -> None:
        """Take in the EDUs of a transaction. Raises what makes it impossible to keep what must be kept."""
        by_type: dict[str, list[Mapping[str, Any]]] = {}
        for edu in edus:
            edu_type, content = edu.get("edu_type"), edu.get("content")
            if isinstance(edu_type, str) and isinstance(content, dict):
                by_type.setdefault(edu_type, []).append(content)
        for edu_type, contents in by_type.items():
            if edu_type in self._durable:
                await self._durable[edu_type](origin, contents)
            elif edu_type in self._passing:
                await self._take_passing(edu_type, origin, contents)

    async def _take_passing(self, edu_type: str, origin: str, contents: Contents) -> None:
        try:
            await self._passing[edu_type](origin, contents)
        except MatrixError as error:
            logger.info("%s from %s is passed over: %s", edu_type, origin, error)
        except Exception:
            logger.exception("%s from %s cannot be taken in", edu_type, origin)
