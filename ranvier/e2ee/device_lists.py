"""The stream of device-list changes: the one writer of its positions.

Spec: client-server API, "Tracking the device list for a user". A change gets its position inside the transaction that
makes it, is told to those whom it concerns after the commit, and only then counts as committed: whoever has seen a later
position has been told.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from ranvier.db.engine import Database, DatabaseError, Tx
from ranvier.store import device_lists as store
from ranvier.users.stream_positions import StreamPositions

Changed = Callable[[str, int], Awaitable[None]]
"""`(user_id, position)`: this user's devices or cross-signing keys have changed."""
Signed = Callable[[str, str, int], Awaitable[None]]
"""`(signer, target, position)`: the signer's own devices are to look at the target's keys again."""
Ending = Callable[[bool], Awaitable[None]]


class DeviceListTx:
    """A write transaction that changes device lists."""

    def __init__(self, tx: Tx, lists: "DeviceLists") -> None:
        self.tx = tx
        self._endings: list[Ending] = []
        self._lists = lists

    async def changed(self, user_id: str) -> None:
        """This user's devices or cross-signing keys change here. One statement."""
        position, ending = self._lists.take(user_id)
        try:
            await store.save(self.tx, user_id, position)
        except BaseException:
            await ending(False)
            raise
        self._endings.append(ending)

    async def signed(self, signer: str, target: str) -> None:
        """The signer has signed a key of the target. One statement."""
        position, ending = self._lists.take(signer, signed=target)
        try:
            await store.save_signed(self.tx, signer, target, position)
        except BaseException:
            await ending(False)
            raise
        self._endings.append(ending)

    async def end(self, committed: bool) -> None:  # noqa: FBT001
        """The transaction is over. Every position is closed, even if to tell of one fails."""
        async with AsyncExitStack() as endings:
            for ending in reversed(self._endings):
                endings.push_async_callback(ending, committed)


class DeviceLists:
    """Gives out positions and tells of changes."""

    def __init__(self, *, db: Database, positions: StreamPositions) -> None:
        self._db = db
        self.positions = positions
        self.on_changed: list[Changed] = []
        """Told after the commit, before the position counts as committed."""
        self.on_signed: list[Signed] = []
        self.on_closed: list[Callable[[], None]] = []
        """Told whenever more positions may count as committed."""

    @classmethod
    async def load(cls, db: Database) -> "DeviceLists":
        """Go on after the last position. One statement."""
        return cls(db=db, positions=StreamPositions(last=await store.greatest_pos(db)))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[DeviceListTx]:
        """A write transaction in which device lists may change."""
        change: DeviceListTx | None = None
        committed = False
        try:
            async with self._db.write() as tx:
                change = self.within(tx)
                yield change
            committed = True
        except DatabaseError:
            committed = True  # Perhaps it was, if the connection broke: to tell too much does no harm.
            raise
        finally:
            if change is not None:
                await change.end(committed)

    async def on_renamed(self, user_id: str, device_id: str) -> None:
        """A device has another name, which is part of what others see of it. One transaction."""
        async with self.transaction() as change:
            await change.changed(user_id)

    def within(self, tx: Tx) -> DeviceListTx:
        """For who has a transaction; `end` must be called when it is over, whatever has happened."""
        return DeviceListTx(tx, self)

    def take(self, user_id: str, *, signed: str | None = None) -> tuple[int, Ending]:
        """A position, and what must be called when its transaction is over, whatever has happened."""
        position = self.positions.take()

        async def end(committed: bool) -> None:  # noqa: FBT001
            try:
                if committed:
                    await self._tell(user_id, signed, position)
            finally:
                self.positions.close(position)
                for listener in self.on_closed:
                    listener()

        return position, end

    async def _tell(self, user_id: str, signed: str | None, position: int) -> None:
        if signed is None:
            for changed in self.on_changed:
                await changed(user_id, position)
        else:
            for listener in self.on_signed:
                await listener(user_id, signed, position)
