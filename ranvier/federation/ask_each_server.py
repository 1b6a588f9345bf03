"""One question to several servers at once, each of which may fail for itself."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from ranvier.federation.client import RemoteError, Unreachable

logger = logging.getLogger(__name__)

AT_ONCE: Final = 32
"""How many servers are asked at once for one request."""

Q = TypeVar("Q")
A = TypeVar("A")


async def ask_servers(
    questions: Mapping[str, Q], ask: Callable[[str, Q], Awaitable[A]], *, timeout_s: float
) -> tuple[dict[str, A], dict[str, Any]]:
    """By server what it is asked: the answers, and the `failures`, as the client API has them.

    After `timeout_s` it is left at what has come.
    """
    answers: dict[str, A] = {}
    failures: dict[str, Any] = {}
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(server: str, question: Q) -> None:
        try:
            async with slots:
                answers[server] = await ask(server, question)
        except (RemoteError, Unreachable) as error:
            logger.info("%s does not answer: %s", server, error)
            failures[server] = failure(error)

    tasks = [asyncio.create_task(one(server, question)) for server, question in questions.items()]
    if tasks:
        try:
            await asyncio.wait(tasks, timeout=timeout_s)
        finally:
            for task in tasks:
                task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(done, Exception):
                raise done
    for server in questions:
        if server not in answers and server not in failures:
            failures[server] = {"errcode": "M_UNREACHABLE", "error": "The server has not answered in time"}
    return answers, failures


def failure(error: RemoteError | Unreachable) -> dict[str, Any]:
    """What a client is told of a server that does not answer as it should."""
    if isinstance(error, RemoteError):
        return {"errcode": error.errcode, "error": error.error}
    return {"errcode": "M_UNREACHABLE", "error": "The server could not be reached"}
