"""Account data as one of the streams of `/sync`."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from ranvier.db.engine import Database
from ranvier.store import account_data as store
from ranvier.store.account_data import GLOBAL
from ranvier.sync.feed import Feeds
from ranvier.users.account_data import AccountData, AccountDataChange
from ranvier.users.push_rules import PUSH_RULES, PushRules

USERS: Final = 50_000


class AccountDataStream:
    """Knows, for who syncs, when their account data last changed."""

    def __init__(self, *, db: Database, account_data: AccountData, push_rules: PushRules, feeds: Feeds) -> None:
        self._db = db
        self._push_rules = push_rules
        self._positions = account_data.positions
        self._feeds = feeds
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._unannounced: list[AccountDataChange] = []
        account_data.listeners.append(self._on_change)

    @property
    def newest(self) -> int:
        """Everything up to here is durable."""
        return self._positions.committed

    async def newest_of(self, user_id: str) -> int:
        """The position of the user's last change. One statement the first time, then none."""
        newest = self._newest.get(user_id)
        if newest is None:
            loaded = await store.greatest_pos_of(self._db, user_id)
            newest = self._newest[user_id] = max(loaded, self._newest.get(user_id, 0))
            if len(self._newest) > USERS:
                self._newest.popitem(last=False)
        return newest

    async def changes(self, user_id: str, since: int, upto: int) -> dict[str, list[tuple[str, bytes]]]:
        """`(type, content as JSON)` by room id, under the empty id what is about no room; what was set after `since`.

        One statement, none if nothing was. `since` < 0: everything, the push rules too if they were never set.
        """
        found: dict[str, list[tuple[str, bytes]]] = {}
        if since < 0:
            found[GLOBAL] = [(PUSH_RULES, await self._push_rules.content(user_id))]
        if await self.newest_of(user_id) > max(since, 0):
            for datum in await store.changes(self._db, user_id, since, upto):
                if datum.type != PUSH_RULES or datum.room_id != GLOBAL:
                    found.setdefault(datum.room_id, []).append((datum.type, datum.content))
                elif since >= 0:
                    found.setdefault(GLOBAL, []).append((PUSH_RULES, await self._push_rules.content(user_id)))
        return found

    async def of_rooms(self, user_id: str, room_ids: Sequence[str], upto: int) -> dict[str, list[tuple[str, bytes]]]:
        """`(type, content as JSON)` by room id: all that the user keeps about these. At most one statement."""
        found: dict[str, list[tuple[str, bytes]]] = {}
        if await self.newest_of(user_id) > 0:
            for datum in await store.of_rooms(self._db, user_id, room_ids, upto):
                found.setdefault(datum.room_id, []).append((datum.type, datum.content))
        return found

    def _on_change(self, change: AccountDataChange) -> None:
        if change.user_id in self._newest:
            self._newest[change.user_id] = max(self._newest[change.user_id], change.stream_pos)
        self._unannounced.append(change)
        committed = self.newest
        ready = [known for known in self._unannounced if known.stream_pos <= committed]
        # Who commits faster than those before has to wait for them: until then nobody may read so far.
        self._unannounced = [known for known in self._unannounced if known.stream_pos > committed]
        for known in ready:
            feed = self._feeds.peek(known.user_id)
            if feed is not None:
                feed.wake()
