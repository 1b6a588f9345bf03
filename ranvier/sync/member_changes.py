"""Who began or ceased to be joined to a room: written down with the event that did it, and the newest kept in memory."""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from ranvier.db.engine import Database, Tx
from ranvier.rooms.append import Append
from ranvier.store import member_changes as store
from ranvier.store.member_changes import MemberChange
from ranvier.store.rooms import JOIN

KEPT: Final = 50_000


class MemberChanges:
    """Steps into and out of rooms. `save` is a step of the appender's transactions, `on_commit` one of its listeners."""

    def __init__(self, *, db: Database, committed_pos: int) -> None:
        self._db = db
        self._complete_after = committed_pos
        """Every later step is in memory."""
        self._steps: deque[MemberChange] = deque()
        self._by_room: dict[int, deque[MemberChange]] = {}
        self._by_user: dict[int, deque[MemberChange]] = {}

    async def save(self, tx: Tx, batch: Sequence[Append]) -> None:
        """Write down what these appends change. At most one statement."""
        await store.insert(tx, list(_steps(batch)))

    def on_commit(self, batch: Sequence[Append]) -> None:
        """What `save` wrote has been committed."""
        for step in _steps(batch):
            self._steps.append(step)
            self._by_room.setdefault(step.room_nid, deque()).append(step)
            self._by_user.setdefault(step.user_nid, deque()).append(step)
        while len(self._steps) > KEPT:
            self._forget_first()

    async def of_user(self, user_nid: int, after: int, upto: int) -> Sequence[MemberChange]:
        """A user's steps in `after < stream_pos <= upto`, in order. One statement if memory does not reach back so far."""
        if after < self._complete_after:
            return await store.of_user(self._db, user_nid, after, upto)
        return _between(self._by_user.get(user_nid), after, upto)

    async def of_rooms(self, room_nids: Collection[int], after: int, upto: int) -> Sequence[MemberChange]:
        """The steps into and out of rooms, in order in each. One statement if memory does not reach back so far."""
        if not room_nids:
            return ()
        if after < self._complete_after:
            return await store.of_rooms(self._db, room_nids, after, upto)
        return [step for room_nid in room_nids for step in _between(self._by_room.get(room_nid), after, upto)]

    def none_after(self, after: int) -> bool:
        """Whether nobody has moved anywhere since, as far as memory reaches."""
        return after >= (self._steps[-1].stream_pos if self._steps else self._complete_after)

    def _forget_first(self) -> None:
        step = self._steps.popleft()
        self._complete_after = step.stream_pos
        for steps, key in ((self._by_room, step.room_nid), (self._by_user, step.user_nid)):
            steps[key].popleft()
            if not steps[key]:
                del steps[key]


def _between(steps: deque[MemberChange] | None, after: int, upto: int) -> list[MemberChange]:
    """Costs what is newer than `after`, whatever there was before."""
    found = []
    for step in reversed(steps) if steps else ():
        if step.stream_pos <= after:
            break
        if step.stream_pos <= upto:
            found.append(step)
    return found[::-1]


def _steps(batch: Sequence[Append]) -> Iterator[MemberChange]:
    for append in batch:
        for change in append.members:
            if (change.membership == JOIN) != (change.previous == JOIN):
                joined = int(change.membership == JOIN)
                yield MemberChange(append.room.room_nid, change.stream_pos, change.user_nid, joined)
