"""Unread counts written down: now and then, in one transaction, those that took long to make.

They only save time after a restart; what was not written down is counted again.
"""

import logging
from collections import OrderedDict
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.store import unread as store
from ranvier.sync.unread_entries import UnreadEntries

logger = logging.getLogger(__name__)

USERS: Final = 5_000
FLUSH_EVERY_S: Final = 60.0

Note = tuple[int, bytes]
"""How far was counted, and the entries, encoded."""


class UnreadNotes:
    """What is written down, of those who were active lately, and what is going to be."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._of_user: OrderedDict[int, dict[int, Note]] = OrderedDict()
        self._unwritten: dict[tuple[int, int], Note] = {}
        self._forgotten: set[int] = set()

    async def of(self, user_nid: int, room_nid: int) -> tuple[int, UnreadEntries] | None:
        """How far was counted, and what was unread then. One statement a user, then none."""
        notes = self._of_user.get(user_nid)
        if notes is None:
            loaded = await store.of_user(self._db, user_nid)
            for (nid, room), note in self._unwritten.items():
                if nid == user_nid:
                    loaded[room] = note
            notes = self._of_user.setdefault(user_nid, {} if user_nid in self._forgotten else loaded)
            while len(self._of_user) > USERS:
                self._of_user.popitem(last=False)
        found = notes.get(room_nid)
        return None if found is None else (found[0], UnreadEntries.decode(found[1]))

    def note(self, user_nid: int, room_nid: int, pos: int, entries: UnreadEntries) -> None:
        """This is to be written down soon."""
        note = self._unwritten[user_nid, room_nid] = (pos, entries.encode())
        if user_nid in self._of_user:
            self._of_user[user_nid][room_nid] = note

    def forget(self, user_nid: int) -> None:
        """Nothing that was written down for the user counts any more."""
        self._of_user[user_nid] = {}
        self._unwritten = {key: note for key, note in self._unwritten.items() if key[0] != user_nid}
        self._forgotten.add(user_nid)

    async def run(self) -> None:
        """Write now and then, until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write down what is to be. If it fails, nothing is lost but time."""
        unwritten, self._unwritten = self._unwritten, {}
        forgotten, self._forgotten = self._forgotten, set()
        if not unwritten and not forgotten:
            return
        try:
            async with self._db.write() as tx:
                for user_nid in forgotten:
                    await store.delete_of_user(tx, user_nid)
                await store.save(tx, [(*key, *note) for key, note in unwritten.items()])
        except DatabaseError:
            logger.warning("Could not write down %d unread counts", len(unwritten), exc_info=True)
            self._forgotten |= forgotten
