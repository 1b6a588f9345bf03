"""What waits for each device, and what it has acknowledged.

Spec: client-server API, "Send-to-Device messaging". A message is shown until a later sync says that it has arrived. New
messages are in memory, and safe in the journal; those that nobody has fetched after a minute, or that are too many, go
into the database by device, many in one transaction. So delivering to a hundred devices that listen writes one row.
"""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.db.engine import Database, DatabaseError, Tx
from ranvier.e2ee.inbox_journal import InboxJournal
from ranvier.e2ee.recipients import Recipients
from ranvier.ports import Clock
from ranvier.store import to_device as store
from ranvier.store import to_device_journal as journal_store
from ranvier.store.to_device import Device, Packet, Waiting
from ranvier.store.to_device_journal import Sent
from ranvier.users.stream_positions import StreamPositions

logger = logging.getLogger(__name__)

DEVICES: Final = 50_000
FLUSH_EVERY_S: Final = 1.0
PACKED_AFTER_S: Final = 60.0
"""A device that listens has fetched its messages by then, and they need not be written once more."""
TXNS_KEPT_MS: Final = 24 * 3600 * 1000
_EXPIRE_EVERY_S: Final = 3600
RESERVED: Final = 100_000
"""Positions that are reserved at once."""


@dataclass(slots=True)
class _Inbox:
    newest: int = 0
    """Position of the last message that was sent."""
    acknowledged: int = 0
    stored: int = 0
    """Position of the last message that waits in the database."""
    is_loaded: bool = False


class Inboxes:
    """Every device's inbox; the positions of their stream."""

    def __init__(self, *, db: Database, clock: Clock, reserved: int) -> None:
        self._db = db
        self._clock = clock
        self.positions = StreamPositions(last=reserved)
        self.recipients = Recipients()
        self._reserved = reserved
        self._inboxes: OrderedDict[Device, _Inbox] = OrderedDict()
        self._journal = InboxJournal()
        self._delivered: dict[Device, int] = {}
        self._removed: set[Device] = set()
        """Who has gone since packing began."""
        self._flushing = asyncio.Lock()
        self._last_expiry = clock.monotonic()

    @classmethod
    async def load(cls, db: Database, clock: Clock) -> "Inboxes":
        """Go on after the last position that may have been given out. Two statements and a transaction."""
        inboxes = cls(db=db, clock=clock, reserved=await store.reserved_pos(db))
        for position, sent in (await journal_store.all_rows(db)).items():
            inboxes._journal.add(position, sent, clock.monotonic())
        await inboxes._reserve()
        return inboxes

    async def take(self) -> int:
        """The next position; `close` it, whatever happens. No statement but once in a hundred thousand times.

        Positions show in tokens even if nothing is stored at them, so they are never given out again.
        """
        while self.positions.given_out >= self._reserved:
            await self._reserve()
        return self.positions.take()

    async def save(self, tx: Tx, position: int, sent: Sent, body: bytes | None = None) -> None:
        """Write down the messages of a request. One statement; `committed` after the commit.

        `body`: the request as it came, if each of its messages is in `sent`, for the device that it names.
        """
        await journal_store.insert(tx, position, sent, body)

    def committed(self, position: int, sent: Sent) -> None:
        """These messages are durable."""
        self._journal.add(position, sent, self._clock.monotonic())
        inbox_of = self._inboxes.get
        for device in sent.contents:
            inbox = inbox_of(device)
            if inbox is not None and inbox.newest < position:
                inbox.newest = position

    async def newest(self, user_id: str, device_id: str) -> int:
        """The position of the last message for a device that it has not acknowledged, or an earlier one.

        One statement the first time, then none.
        """
        return (await self._inbox((user_id, device_id))).newest

    async def read(self, user_id: str, device_id: str, *, since: int, upto: int, limit: int) -> Sequence[Waiting]:
        """The first messages with `since < position <= upto`.

        No statement for what was sent in the last moments, two if older messages wait.
        """
        device = (user_id, device_id)
        inbox = await self._inbox(device)
        since = max(since, inbox.acknowledged)
        if inbox.newest <= since:
            return ()
        # In this order: what is packed up meanwhile is found in both places, and in none otherwise.
        recent = self._journal.read(device, since=since, upto=upto, limit=limit)
        if inbox.stored <= since:
            return recent
        stored = await store.read(self._db, user_id, device_id, after_pos=since, until_pos=upto, limit=limit)
        if recent:
            stored = [message for message in stored if message.stream_pos < recent[0].stream_pos]
        return [*stored, *recent][:limit]

    async def acknowledge(self, user_id: str, device_id: str, upto: int) -> None:
        """The device has got everything up to here."""
        device = (user_id, device_id)
        inbox = await self._inbox(device)
        upto = min(upto, self.positions.committed)
        if upto > inbox.acknowledged:
            inbox.acknowledged = upto
            if inbox.stored:
                self._delivered[device] = upto

    async def remove(self, tx: Tx, user_id: str, device_ids: Iterable[str]) -> None:
        """Forget what waits for some devices, and what they sent. At most four statements; `forget` after the commit."""
        names = list(device_ids)
        await store.delete_of_devices(tx, user_id, names)
        positions = {name: self._journal.positions((user_id, name)) for name in names}
        await journal_store.delete_of_devices(tx, positions, user_id)

    def forget(self, user_id: str, device_ids: Iterable[str]) -> None:
        """Devices have been removed."""
        self.recipients.forget(user_id)
        for device_id in device_ids:
            device = (user_id, device_id)
            self._inboxes.pop(device, None)
            self._delivered.pop(device, None)
            self._journal.forget(device)
            self._removed.add(device)

    async def flush(self, *, sent_before: float = math.inf) -> None:
        """Pack up what was sent before a moment, and delete what has been acknowledged.

        If the database cannot do it, a later flush tries again.
        """
        async with self._flushing:  # What two pack up at once would be there twice, so that both fail.
            try:
                await self._pack(sent_before)
                await self._delete_delivered()
            except DatabaseError as error:
                logger.warning("Could not put messages to devices in order: %s", error)

    async def run(self) -> None:
        """Flush, and forget old requests now and then, until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_EVERY_S)
            await self.flush(sent_before=self._clock.monotonic() - PACKED_AFTER_S)
            if self._clock.monotonic() - self._last_expiry >= _EXPIRE_EVERY_S:
                self._last_expiry = self._clock.monotonic()
                await self._expire()

    async def _pack(self, sent_before: float) -> None:
        """One transaction for a megabyte each."""
        while True:
            upto = self._journal.to_pack(sent_before=sent_before, committed=self.positions.committed)
            if upto is None:
                return
            self._removed.clear()
            packets = list(self._journal.packets(upto, self._acknowledged))
            async with self._db.write() as tx:
                if packets:
                    devices = await store.devices_of(tx, {packet.user_id for packet in packets})
                    packets = [packet for packet in packets if packet.device_id in devices.get(packet.user_id, ())]
                    await store.insert(tx, packets)
                await journal_store.delete(tx, upto)
            self._journal.drop(upto)
            for packet in packets:
                self._packed(packet)

    def _acknowledged(self, device: Device) -> int:
        inbox = self._inboxes.get(device)
        return 0 if inbox is None else inbox.acknowledged

    def _packed(self, packet: Packet) -> None:
        device, last = (packet.user_id, packet.device_id), packet.last_pos
        inbox = self._inboxes.get(device)
        if inbox is not None:
            inbox.stored = max(inbox.stored, last)
            if inbox.acknowledged >= packet.first_pos:
                self._delivered[device] = inbox.acknowledged
        if device in self._removed:
            self._delivered[device] = last

    async def _delete_delivered(self) -> None:
        """One statement."""
        delivered, self._delivered = self._delivered, {}
        if not delivered:
            return
        try:
            async with self._db.write() as tx:
                await store.delete_delivered(tx, [(*device, upto) for device, upto in delivered.items()])
        except DatabaseError:
            self._delivered = delivered | self._delivered
            raise
        for device, upto in delivered.items():
            inbox = self._inboxes.get(device)
            if inbox is not None and inbox.stored <= upto:
                inbox.stored = 0

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
            inbox.stored = max(await store.newest(self._db, *device), inbox.stored)
            inbox.newest = max(inbox.newest, inbox.stored, self._journal.newest(device))
            inbox.is_loaded = True
        return inbox

    def _shrink(self) -> None:
        """Forget the device that came first; what it acknowledged is deleted first, so that it is not shown again."""
        for device in self._inboxes:
            if device not in self._delivered:
                del self._inboxes[device]
                return
