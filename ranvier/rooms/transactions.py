"""Repeated requests get the same event (spec: client-server API, "Transaction identifiers").

A device's recent requests are read once, when it first sends after a start; from then on memory knows them all.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.rooms.write import TxnRow
from ranvier.store import event_txns
from ranvier.store.events import Txn
from ranvier.store.state_keys import StateKeys

logger = logging.getLogger(__name__)

REMEMBERED_FOR_MS: Final = 24 * 3600 * 1000
DEVICES_REMEMBERED: Final = 5000
PER_DEVICE: Final = 2000

_Known = OrderedDict[bytes, "str | asyncio.Future[str]"]


class Transactions:
    """Which requests have been answered, by device."""

    def __init__(self, *, db: Database, keys: StateKeys, clock: Clock) -> None:
        self._db = db
        self._keys = keys
        self._clock = clock
        self._devices: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    async def once(
        self, user_id: str, device_id: str, path: str, txn_id: str, send: Callable[[TxnRow], Awaitable[str]]
    ) -> str:
        """The id of the event that this request made: by calling `send` the first time, from memory afterwards.

        `path` names the endpoint with its parameters. A repetition that comes while the first is under way waits for it
        and shares its result, errors included; after an error the request may be tried again.
        """
        user_nid = await self._keys.intern(self._db, ("m.room.member", user_id))
        known = await self._known(user_id, user_nid, device_id)
        request = blake2b(f"{path}\n{txn_id}".encode(), digest_size=16).digest()
        before = known.get(request)
        if isinstance(before, str):
            return before
        if before is not None:
            return await asyncio.shield(before)
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        known[request] = future
        row = TxnRow(user_nid=user_nid, txn=Txn(user_id, device_id, txn_id), request=request)
        task = asyncio.ensure_future(send(row))
        task.add_done_callback(lambda done: _settle(known, request, future, done))
        return await asyncio.shield(future)

    async def run(self) -> None:
        """Forget old requests now and then, until cancelled."""
        while True:
            await self._clock.sleep(3600)
            try:
                async with self._db.write() as tx:
                    await event_txns.expire(tx, self._clock.now_ms() - REMEMBERED_FOR_MS)
            except DatabaseError as error:
                logger.warning("Could not forget old transactions: %s", error)

    async def _known(self, user_id: str, user_nid: int, device_id: str) -> _Known:
        device = (user_id, device_id)
        known = self._devices.get(device)
        if known is None:
            since_ts = self._clock.now_ms() - REMEMBERED_FOR_MS
            rows = await event_txns.of_device(self._db, user_nid, device_id, since_ts=since_ts)
            known = self._devices.setdefault(device, OrderedDict(rows))
            while len(self._devices) > DEVICES_REMEMBERED:
                self._devices.popitem(last=False)
        self._devices.move_to_end(device)
        return known


def _settle(known: _Known, request: bytes, future: "asyncio.Future[str]", done: "asyncio.Future[str]") -> None:
    if done.cancelled():
        known.pop(request, None)
        future.cancel()
    elif (error := done.exception()) is not None:
        known.pop(request, None)
        future.set_exception(error)
        future.exception()  # Seen: the one who asked may have gone.
    else:
        known[request] = done.result()
        future.set_result(done.result())
        while len(known) > PER_DEVICE:
            known.popitem(last=False)
