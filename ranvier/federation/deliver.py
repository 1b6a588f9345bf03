"""Puts transactions together and delivers them, so many at a time.

Spec: server-server API, "Transactions".
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from ranvier.federation.client import RemoteError, Unreachable
from ranvier.federation.destination_queue import DestinationQueue, Transaction
from ranvier.federation.health import ServerHealth
from ranvier.federation.outbox import DurableEdus
from ranvier.federation.paths import path
from ranvier.federation.transaction import MAX_EDUS, transaction_body
from ranvier.ports import Clock, Random
from ranvier.proto.unpadded_base64 import encode_base64_urlsafe
from ranvier.store.event_cache import EventCache

logger = logging.getLogger(__name__)

AT_ONCE: Final = 100
"""Transactions under way."""
AT_ONCE_DOUBTFUL: Final = 20
"""Of them to servers that could not be reached lately, each of which may take until it times out."""
ANSWER_LIMIT_BYTES: Final = 1 << 20
_GONE: Final = 410


class PutsTransactions(Protocol):
    """What is needed of `FederationClient`."""

    async def put(self, destination: str, path: str, *, content: bytes, limit_bytes: int = ...) -> Any:
        """Raises `RemoteError` or `Unreachable`."""
        ...


class Refused(Exception):
    """The server has not taken a transaction; `status` is what it answered, `None` if nothing."""

    def __init__(self, reason: str, status: int | None) -> None:
        super().__init__(reason)
        self.status = status


class Delivering:
    """One a process."""

    def __init__(
        self,
        *,
        client: PutsTransactions,
        health: ServerHealth,
        cache: EventCache,
        clock: Clock,
        random: Random,
        server_name: str,
        sources: Mapping[str, DurableEdus],
    ) -> None:
        self._client = client
        self._health = health
        self._cache = cache
        self._clock = clock
        self._server_name = server_name
        self._sources = sources
        # No other run of this server has used these ids, wherever its clock stood.
        self._txn_prefix = encode_base64_urlsafe(random.token_bytes(9))
        self._txns = 0
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._doubtful_slots = asyncio.Semaphore(AT_ONCE_DOUBTFUL)

    async def fill(self, queue: DestinationQueue) -> None:
        """Put what waits onto the way; nothing if nothing does. A statement for events that are not in memory."""
        edus, durable = await self._durable_edus(queue)
        entries = queue.take_pdus()
        try:
            found = await self._cache.get([entry.event_nid for entry in entries])
        except BaseException:
            queue.put_back()
            queue.sources |= durable.keys()
            raise
        edus += queue.take_edus(MAX_EDUS - len(edus))
        known = [entry for entry in entries if entry.event_nid in found]
        if not known and not edus:
            queue.send(None)
            return
        self._txns += 1
        queue.send(
            Transaction(
                txn_id=f"{self._txn_prefix}{self._txns}",
                origin_server_ts=self._clock.now_ms(),
                entries=tuple(known),
                events=tuple(found[entry.event_nid].event for entry in known),
                edus=tuple(edus),
                durable=durable,
            )
        )

    async def deliver(self, destination: str, transaction: Transaction) -> None:
        """Send it once. Raises `Refused` if it has to be sent again."""
        slots = self._slots if self._health.record(destination) is None else self._doubtful_slots
        async with slots:
            body = transaction_body(
                origin=self._server_name,
                origin_server_ts=transaction.origin_server_ts,
                pdus=[event.json for event in transaction.events],
                edus=transaction.edus,
            )
            try:
                answer = await self._client.put(
                    destination, path("v1", "send", transaction.txn_id), content=body, limit_bytes=ANSWER_LIMIT_BYTES
                )
            except Unreachable as error:
                raise Refused(str(error), None) from error
            except RemoteError as error:
                if error.status == _GONE:
                    self._health.gone(destination)
                raise Refused(str(error), error.status) from error
        _log_errors(destination, answer)
        self.finish(destination, transaction)

    def finish(self, destination: str, transaction: Transaction) -> None:
        """The transaction will not be sent again."""
        for source, last in transaction.durable.items():
            self._sources[source].delivered(destination, last)

    async def _durable_edus(self, queue: DestinationQueue) -> tuple[list[bytes], dict[str, int]]:
        edus: list[bytes] = []
        durable: dict[str, int] = {}
        for source in sorted(queue.sources):
            if len(edus) < MAX_EDUS:
                limit = MAX_EDUS - len(edus)
                queue.sources.discard(source)
                try:
                    found, last = await self._sources[source].read(queue.destination, limit=limit)
                except BaseException:
                    queue.sources.add(source)
                    raise
                edus += found
                if found:
                    durable[source] = last
                if len(found) == limit:
                    queue.sources.add(source)
        return edus, durable


def _log_errors(destination: str, answer: Any) -> None:
    results = answer.get("pdus") if isinstance(answer, dict) else None
    if isinstance(results, dict) and logger.isEnabledFor(logging.INFO):
        for event_id, result in results.items():
            if isinstance(result, dict) and "error" in result:
                logger.info("%s has not taken %.255s: %.500s", destination, event_id, result["error"])
