"""Tells other servers how far this one's users have read.

Spec: server-server API, "Receipts". Private ones go nowhere. In a room with many servers receipts are held back a little
and sent together: `federation_rr_transactions_per_room_per_second`.
"""

import asyncio
import heapq
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ranvier.federation.outgoing_typing import QueuesEdus
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.receipt_writer import ReceiptWriter
from ranvier.rooms.rooms import Rooms
from ranvier.store.receipts import UNTHREADED, Receipt

logger = logging.getLogger(__name__)

ROOMS: Final = 10_000

_Key = tuple[int, str]
"""`(user_nid, thread)`."""


class OutgoingReceipts:
    """Listens to the writer of receipts. `run` must be running."""

    def __init__(
        self,
        *,
        writer: ReceiptWriter,
        rooms: Rooms,
        hosts: Hosts,
        sender: QueuesEdus,
        clock: Clock,
        server_name: str,
        per_room_per_second: float,
    ) -> None:
        self._rooms = rooms
        self._hosts = hosts
        self._sender = sender
        self._clock = clock
        self._server_name = server_name
        self._per_second = per_room_per_second
        self._waiting: dict[int, dict[_Key, Receipt]] = {}
        self._not_before: dict[int, float] = {}
        """By room when its next transactions may be sent; on the monotonic clock."""
        self._due: list[tuple[float, int]] = []
        self._some = asyncio.Event()
        writer.listeners.append(self._on_receipts)

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            await self._some.wait()
            while self._due:
                wait_s = self._due[0][0] - self._clock.monotonic()
                if wait_s > 0:
                    # Never long: what comes meanwhile may be due earlier.
                    await self._clock.sleep(min(wait_s, 0.1))
                    continue
                _, room_nid = heapq.heappop(self._due)
                try:
                    await self._send(room_nid)
                except Exception:
                    logger.exception("Could not tell what was read in room %d", room_nid)
            self._some.clear()

    def _on_receipts(self, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            if receipt.is_private or domain_of(receipt.user_id) != self._server_name:
                continue
            hosts = self._hosts.known(receipt.room_nid)
            if hosts is not None and len(hosts) < 2:
                continue
            waiting = self._waiting.get(receipt.room_nid)
            if waiting is None:
                waiting = self._waiting[receipt.room_nid] = {}
                at = max(self._clock.monotonic(), self._not_before.get(receipt.room_nid, 0.0))
                heapq.heappush(self._due, (at, receipt.room_nid))
                self._some.set()
            waiting[receipt.user_nid, receipt.thread] = receipt

    async def _send(self, room_nid: int) -> None:
        others = await self._hosts.in_room(room_nid) - {self._server_name}
        if not others:
            self._waiting.pop(room_nid, None)
            return
        room = await self._rooms.by_nid(room_nid)
        receipts = self._waiting.pop(room_nid, {})
        now = self._clock.monotonic()
        if len(self._not_before) > ROOMS:
            self._not_before = {nid: at for nid, at in self._not_before.items() if at > now}
        self._not_before[room_nid] = now + len(others) / self._per_second
        for by_user in _contents(receipts.values()):
            self._sender.queue_edu(others, "m.receipt", {room.room_id: {"m.read": by_user}})


def _contents(receipts: Iterable[Receipt]) -> list[dict[str, Any]]:
    """As few as can hold them: in each a user has one receipt."""
    contents: list[dict[str, Any]] = []
    for receipt in receipts:
        data: dict[str, Any] = {"ts": receipt.ts}
        if receipt.thread != UNTHREADED:
            data["thread_id"] = receipt.thread
        content = next((content for content in contents if receipt.user_id not in content), None)
        if content is None:
            content = {}
            contents.append(content)
        content[receipt.user_id] = {"event_ids": [receipt.event_id], "data": data}
    return contents
