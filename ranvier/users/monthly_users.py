"""How many people use this server in a month, and that they are not more than the operator wants.

Spec: client-server API, "Common error codes" (`M_RESOURCE_LIMIT_EXCEEDED`). Configuration: `limit_usage_by_mau` and the
options beside it. Who is counted is in memory, and written down now and then; a request of theirs costs no statement.
"""

import logging
from typing import Final

from ranvier.config.limit_sections import DAY_MS, MonthlyUsersConfig
from ranvier.db.engine import Database, DatabaseError
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError
from ranvier.store import monthly_users as store
from ranvier.store import user_identities, users
from ranvier.store.users import UserRow

logger = logging.getLogger(__name__)

LIMIT_TYPE: Final = "monthly_active_user"
MONTH_MS: Final = 30 * DAY_MS
TOUCH_MS: Final = 3_600_000
"""How exact it is when somebody was last active."""
FLUSH_EVERY_S: Final = 300.0
_FOR_EVER: Final = 1 << 62
_MAX_UNCOUNTED: Final = 50_000


class MonthlyUsers:
    """Who counts, and who may come in."""

    def __init__(
        self, *, db: Database, clock: Clock, config: MonthlyUsersConfig, admin_contact: str | None = None
    ) -> None:
        self.config = config
        self._db = db
        self._clock = clock
        self._admin_contact = admin_contact
        self._active: dict[str, int] = {}
        """When they were last active, of all who count."""
        self._services: dict[str, str] = {}
        """The application service of those who belong to one."""
        self._uncounted: dict[str, int] = {}
        """Until when somebody is known not to count."""
        self._reserved: frozenset[str] = frozenset()
        self._dirty: set[str] = set()
        self._gone: set[str] = set()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._active)

    @property
    def is_full(self) -> bool:
        """Whether there is no place for one more."""
        return self.config.limits and self.count >= self.config.most

    @property
    def reserved_count(self) -> int:
        """How many have a reserved address."""
        return len(self._reserved)

    def by_service(self) -> dict[str, int]:
        """How many belong to each application service; `native`: to none."""
        found = {"native": self.count - len(self._services)} if self._active else {}
        for service_id in self._services.values():
            found[service_id] = found.get(service_id, 0) + 1
        return found

    async def load(self) -> None:
        """Read who counts; before anything else."""
        for user_id, (ts, service_id) in (await store.all_of(self._db)).items():
            self._enter(user_id, ts, service_id)
        self._dirty.clear()
        await self._tidy()

    async def check(self, user_id: str) -> None:
        """Somebody does what makes them active. No statement for who is known, else two at most.

        Raises 403 `M_RESOURCE_LIMIT_EXCEEDED` if they would be one too many.
        """
        now_ms = self._clock.now_ms()
        last_ms = self._active.get(user_id)
        if last_ms is not None:
            if now_ms - last_ms >= TOUCH_MS:
                self._enter(user_id, now_ms, self._services.get(user_id))
            return
        if self._uncounted.get(user_id, 0) > now_ms:
            return
        user = await users.by_id(self._db, user_id)
        until_ms = _FOR_EVER if user is None else self._uncounted_until(user)
        if user is None or until_ms > now_ms:
            self._remember_uncounted(user_id, until_ms)
            return
        if self.is_full and not await self._is_reserved(user_id):
            raise self._refusal()
        if not user.is_guest:
            self._enter(user_id, now_ms, user.appservice_id)

    def check_newcomer(self, medium: str | None = None, address: str | None = None) -> None:
        """Raises 403 `M_RESOURCE_LIMIT_EXCEEDED` if there is no place for one more, unless the address is reserved."""
        if self.is_full and (medium, (address or "").lower()) not in self.config.reserved:
            raise self._refusal()

    async def flush(self) -> None:
        """Write down who was active, and forget who has not been for a month."""
        await self._tidy()
        if not self._dirty and not self._gone:
            return
        dirty, gone = self._dirty, self._gone
        self._dirty, self._gone = set(), set()
        try:
            async with self._db.write() as tx:
                if gone:
                    await store.delete(tx, sorted(gone))
                if dirty:
                    await store.save(tx, {user_id: self._active[user_id] for user_id in sorted(dirty)})
        except DatabaseError:
            logger.warning("Could not store which %d users were active", len(dirty), exc_info=True)
            self._dirty |= dirty - self._gone
            self._gone |= gone - self._active.keys()

    async def run(self) -> None:
        """Flush every few minutes until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_EVERY_S)
            await self.flush()

    def _uncounted_until(self, user: UserRow) -> int:
        if user.user_type == "support" or (user.appservice_id is not None and not self.config.counts_services):
            return _FOR_EVER
        return user.creation_ts + self.config.trial_ms(user.appservice_id)

    def _remember_uncounted(self, user_id: str, until_ms: int) -> None:
        if len(self._uncounted) >= _MAX_UNCOUNTED:
            self._uncounted.clear()
        self._uncounted[user_id] = until_ms

    def _enter(self, user_id: str, ts: int, service_id: str | None) -> None:
        # At the end: those who have been away for longest are the first.
        self._active.pop(user_id, None)
        self._active[user_id] = ts
        if service_id is not None:
            self._services[user_id] = service_id
        self._dirty.add(user_id)
        self._gone.discard(user_id)

    def _leave(self, user_id: str) -> None:
        del self._active[user_id]
        self._services.pop(user_id, None)
        self._dirty.discard(user_id)
        self._gone.add(user_id)

    async def _tidy(self) -> None:
        """Whoever has not been here for a month goes; where there are too many, those who were here last stay."""
        owners = [await user_identities.by_threepid(self._db, *threepid) for threepid in self.config.reserved]
        self._reserved = frozenset(owner for owner in owners if owner is not None)
        oldest_ms = self._clock.now_ms() - MONTH_MS
        for user_id in [user_id for user_id, ts in self._active.items() if ts < oldest_ms]:
            self._leave(user_id)
        if self.config.limits:
            others = [user_id for user_id in self._active if user_id not in self._reserved]
            for user_id in others[: max(0, self.count - self.config.most)]:
                self._leave(user_id)

    async def _is_reserved(self, user_id: str) -> bool:
        if not self.config.reserved:
            return False
        found = await user_identities.threepids(self._db, user_id)
        return any((row.medium, row.address.lower()) in self.config.reserved for row in found)

    def _refusal(self) -> MatrixError:
        contact = {} if self._admin_contact is None else {"admin_contact": self._admin_contact}
        return MatrixError(
            403,
            "M_RESOURCE_LIMIT_EXCEEDED",
            "This server has as many monthly active users as it may have",
            extra={"limit_type": LIMIT_TYPE, **contact},
        )
