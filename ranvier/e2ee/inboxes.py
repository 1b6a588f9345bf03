"""What waits for each device, and what it has acknowledged.

Spec: client-server API, "Send-to-Device messaging". A message is shown until a later sync says that it has arrived; from
then on it is not shown again, and its row is deleted soon after, many in one transaction.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.store import to_device as store
from ranvier.store.to_device import Device, Waiting
from ranvier.users.stream_positions import StreamPositions

logger = logging.getLogger(__name__)

DEVICES: Final = 50_000
FLUSH_EVERY_S: Final = 1.0
TXNS_KEPT_MS: Final = 24 * 3600 * 1000
_EXPIRE_EVERY_S: Final = 3600
RESERVED: Final = 100_000
"""Positions that are reserved at once."""


@dataclass(slots=True)
class _Inbox:
    newest: int = 0
    """Position of the last message that was sent."""
    acknowledged: int = 0
    deleted: int = 0
    """Up to here nothing is left in the database."""
    is_loaded: bool = False


class Inboxes:
    """Every device's inbox; the positions of their stream."""

    def __init__(self, *, db: Database, clock: Clock, reserved: int) -> None:
        self._db = db
        self._clock = clock
        self.positions = StreamPositions(last=reserved)
        self._reserved = reserved
        self._inboxes: OrderedDict[Device, _Inbox] = OrderedDict()
        self._delivered: dict[Device, int] = {}
        self._last_expiry = clock.monotonic()

    @classmethod
    async def load(cls, db: Database, clock: Clock) -> "Inboxes":
        """Go on after the last position that may have been given out. One transaction."""
        inboxes = cls(db=db, clock=clock, reserved=await store.reserved_pos(db))
        await inboxes._reserve()
        return inboxes

    async def take(self) -> int:
        """The next position; `close` it, whatever happens. No statement but once in a hundred thousand times.

        Positions show in tokens even if nothing is stored at them, so they are never given out again.
        """
        while self.positions.given_out >= self._reserved:
            await self._reserve()
        return self.positions.take()

    def sent(self, position: int, devices: Iterable[Device]) -> None:
        """Messages at this position have been committed."""
        for device in devices:
            inbox = self._inboxes.get(device)
            if inbox is not None and inbox.newest < position:
                inbox.newest = position

    async def newest(self, user_id: str, device_id: str) -> int:
        """The position of the last message for a device that it has not acknowledged, or an earlier one.

        One statement the first time, then none.
        """
        return (await self._inbox((user_id, device_id))).newest

    async def read(self, user_id: str, device_id: str, *, since: int, upto: int, limit: int) -> Sequence[Waiting]:
        """The first messages with `since < position <= upto`. One statement, none if there is nothing."""
        inbox = await self._inbox((user_id, device_id))
        since = max(since, inbox.acknowledged)
        if inbox.newest <= since:
            return ()
        return await store.read(self._db, user_id, device_id, after_pos=since, until_pos=upto, limit=limit)

    async def acknowledge(self, user_id: str, device_id: str, upto: int) -> None:
        """The device has got everything up to here."""
        inbox = await self._inbox((user_id, device_id))
        upto = min(upto, self.positions.committed)
        if upto > inbox.acknowledged:
            inbox.acknowledged = upto
            if inbox.newest > inbox.deleted:
                self._delivered[user_id, device_id] = upto

    def forget(self, user_id: str, device_ids: Iterable[str]) -> None:
        """Devices have been removed."""
        for device_id in device_ids:
            self._inboxes.pop((user_id, device_id), None)
            self._delivered.pop((user_id, device_id), None)

    async def flush(self) -> None:
        """Delete what has been acknowledged. One statement; if it fails, the next flush tries again."""
        if not self._delivered:
            return
        delivered, self._delivered = self._delivered, {}
        try:
            async with self._db.write() as tx:
                await store.delete_delivered(tx, [(*device, upto) for device, upto in delivered.items()])
        except DatabaseError as error:
            logger.warning("Could not delete messages that have been delivered: %s", error)
            self._delivered = delivered | self._delivered
            return
        for device, upto in delivered.items():
            inbox = self._inboxes.get(device)
            if inbox is not None:
                inbox.deleted = max(inbox.deleted, upto)

    async def run(self) -> None:
        """Flush, and forget old requests now and then, until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_EVERY_S)
            await self.flush()
            if self._clock.monotonic() - self._last_expiry >= _EXPIRE_EVERY_S:
                self._last_expiry = self._clock.monotonic()
                await self._expire()

    async def _reserve(self) -> None:
        reserved = self.positions.given_out + RESERVED
        async with self._db.write() as tx:
            await store.reserve(tx, reserved)
        self._reserved = max(self._reserved, reserved)

    async def _expire(self) -> None:
        try:
            async with self._db.write() as tx:
                await store.expire_txns(tx, self._clock.now_ms() - TXNS_KEPT_MS)
        except DatabaseError as error:
            logger.warning("Could not forget old requests: %s", error)

    async def _inbox(self, device: Device) -> _Inbox:
        """What is sent while it is being loaded reaches it too."""
        inbox = self._inboxes.get(device)
        if inbox is None:
            inbox = self._inboxes[device] = _Inbox()
            if len(self._inboxes) > DEVICES:
                self._shrink()
        if not inbox.is_loaded:
            inbox.newest = max(inbox.newest, await store.newest(self._db, *device))
            inbox.is_loaded = True
        return inbox

    def _shrink(self) -> None:
        """Forget the device that came first; what it acknowledged is deleted first, so that it is not shown again."""
        for device in self._inboxes:
            if device not in self._delivered:
                del self._inboxes[device]
                return
