"""Devices and keys of users of other servers: those who share a room with somebody here are remembered.

Spec: server-server API, "Device Management"; client-server API, `POST /keys/query`. Their servers tell of changes; where one
is missing, or a user has left a room since (so that perhaps one was not sent to us), the list is asked for again. Who is
in memory costs no statement and no request.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.e2ee.device_lists import DeviceLists
from ranvier.e2ee.remote_keys import QueriedKeys, RemoteClaims
from ranvier.federation.ask_keys import KeyAsking
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append
from ranvier.rooms.full_room import known_members
from ranvier.rooms.whereabouts import Whereabouts
from ranvier.store import joined_rooms, rooms
from ranvier.store import remote_devices as store
from ranvier.store.remote_devices import UNKNOWN, DeviceList
from ranvier.users.text import is_storable

logger = logging.getLogger(__name__)

USERS: Final = 10_000
AT_ONCE: Final = 500
"""So many users are asked for together."""
LEAVES: Final = 20_000
FETCH_MS: Final = 30_000


class RemoteDevices:
    """A `RemoteKeys` that remembers. `on_commit` has to be a listener of `Whereabouts`."""

    def __init__(
        self,
        *,
        db: Database,
        keys: KeyAsking,
        lists: DeviceLists,
        whereabouts: Whereabouts,
        event_pos: Callable[[], int],
        server_name: str,
    ) -> None:
        """`event_pos`: everything up to there in the event stream has been committed."""
        self._db = db
        self._keys = keys
        self._lists = lists
        self._whereabouts = whereabouts
        self._event_pos = event_pos
        self._server_name = server_name
        self._known: OrderedDict[str, DeviceList] = OrderedDict()
        self._left: OrderedDict[str, int] = OrderedDict()
        """When users last left a room, of those who did lately."""
        self._fetching: dict[str, asyncio.Task[dict[str, Any]]] = {}
        self._news: set[str] = set()
        """Of whom something was told while they were being asked for."""
        self._loads: list[set[str]] = []
        self._departed: set[str] = set()
        self._rooms_left: set[int] = set()
        self._checking: asyncio.Task[None] | None = None

    async def query(self, wanted: Mapping[str, Sequence[str]], *, timeout_ms: int) -> QueriedKeys:
        """Keys by user of the devices that are wanted, none for all. One statement for who is not in memory."""
        found = QueriedKeys()
        known = await self.of([user_id for user_id in wanted if is_storable(user_id)])
        missing = {user_id: devices for user_id, devices in wanted.items() if not _is_good(known.get(user_id))}
        if missing:
            asked = await self._ask(missing, timeout_ms=timeout_ms)
            found.failures = asked.failures
            found.devices, found.masters, found.self_signing = asked.devices, asked.masters, asked.self_signing
            known |= await self.of([user_id for user_id in missing if user_id in self._known])
        for user_id, devices in wanted.items():
            # What is stale is better than nothing, where the server does not answer.
            if user_id in known and user_id not in found.devices:
                _add(found, user_id, known[user_id], devices)
        return found

    async def claim(self, wanted: Mapping[str, Mapping[str, str]], *, timeout_ms: int) -> RemoteClaims:
        """One-time keys are always asked for."""
        return await self._keys.claim(wanted, timeout_ms=timeout_ms)

    async def of(self, user_ids: Collection[str]) -> dict[str, DeviceList]:
        """What is known of some users. None, else two statements."""
        found = {user_id: known for user_id in user_ids if (known := self._known.get(user_id)) is not None}
        missing = [user_id for user_id in user_ids if user_id not in found]
        if missing:
            found |= await self._load(missing)
        return found

    def has_news(self, user_ids: Iterable[str]) -> None:
        """Something was told of users: an answer that is on its way about them may be older."""
        self._news.update(user_id for user_id in user_ids if user_id in self._fetching)

    async def fetch(self, user_ids: Collection[str], *, timeout_ms: int = FETCH_MS) -> dict[str, Any]:
        """Ask anew for the lists of users who share a room; the `failures` by server."""
        fresh = [user_id for user_id in user_ids if user_id not in self._fetching]
        tasks = {self._fetching[user_id] for user_id in user_ids if user_id in self._fetching}
        for start in range(0, len(fresh), AT_ONCE):
            part = fresh[start : start + AT_ONCE]
            task = asyncio.create_task(self._fetch(part), name="device lists")
            task.add_done_callback(_seen)
            self._fetching.update(dict.fromkeys(part, task))
            tasks.add(task)
        done, _ = await asyncio.wait(tasks, timeout=timeout_ms / 1000)
        failures: dict[str, Any] = {}
        for task in done:
            failures |= task.result()
        for user_id in user_ids:
            if not _is_good(self._known.get(user_id)):
                late = {"errcode": "M_UNREACHABLE", "error": "The server has not answered in time"}
                failures.setdefault(domain_of(user_id), late)
        return failures

    async def store(self, lists: Mapping[str, DeviceList], changed: Collection[str]) -> None:
        """Keep lists, and tell the clients here of `changed` users. One transaction."""
        if not lists and not changed:
            return
        try:
            async with self._lists.transaction() as change:
                await store.save(change.tx, lists)
                for user_id in sorted(changed):
                    await change.changed(user_id)
                # Before anybody is told: who asks because of it has to get this.
                self._remember(lists)
        except BaseException:
            for user_id in lists:
                self._known.pop(user_id, None)
            raise

    async def forget(self, user_ids: Collection[str]) -> None:
        """Their servers do not know them. One transaction."""
        async with self._lists.transaction() as change:
            await store.delete(change.tx, sorted(user_ids))
            for user_id in user_ids:
                self._known.pop(user_id, None)
                await change.changed(user_id)

    async def drop_strangers(self, user_ids: Collection[str]) -> set[str]:
        """Do not remember those any more who share no room with anybody here; the others. At most one transaction."""
        near = await self._whereabouts.who_meets_us(user_ids)
        strangers = sorted(set(user_ids) - near)
        if strangers:
            async with self._db.write() as tx:
                await store.delete(tx, strangers)
            for user_id in strangers:
                self._known.pop(user_id, None)
        return near

    def on_commit(self, batch: Sequence[Append]) -> None:
        """A listener of `Whereabouts`: after a leave, it is not certain that everything is told to us."""
        for append in batch:
            for change in append.members:
                if change.previous == rooms.JOIN and change.membership != rooms.JOIN:
                    if change.is_local:
                        self._rooms_left.add(append.room.room_nid)
                    else:
                        self._has_left(change.user_id, change.stream_pos)
                    if self._checking is None:
                        self._checking = asyncio.create_task(self._check(), name="device lists of who has left")

    async def close(self) -> None:
        """Ask nobody any more."""
        tasks: list[asyncio.Task[Any]] = list(set(self._fetching.values()))
        if self._checking is not None:
            tasks.append(self._checking)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, missing: Mapping[str, Sequence[str]], *, timeout_ms: int) -> QueriedKeys:
        """Ask for users who are not remembered; those who share a room are, from then on."""
        near = await self._whereabouts.who_meets_us([user_id for user_id in missing if is_storable(user_id)])
        others = {user_id: devices for user_id, devices in missing.items() if user_id not in near}
        # Somebody else may have asked, and have had the answer, since these were looked up.
        near = {user_id for user_id in near if not _is_good(self._known.get(user_id))}
        if not others:
            return QueriedKeys(failures=await self.fetch(near, timeout_ms=timeout_ms)) if near else QueriedKeys()
        if not near:
            return await self._keys.query(others, timeout_ms=timeout_ms)
        fetching = asyncio.ensure_future(self.fetch(near, timeout_ms=timeout_ms))
        found = await self._keys.query(others, timeout_ms=timeout_ms)
        found.failures |= await fetching
        return found

    async def _fetch(self, user_ids: Sequence[str]) -> dict[str, Any]:
        pos = self._event_pos()
        try:
            told = await self._keys.query(dict.fromkeys(user_ids, ()), timeout_ms=FETCH_MS)
            lists = {
                user_id: DeviceList(
                    stream_id=UNKNOWN,
                    synced_pos=pos,
                    is_stale=user_id in self._news,
                    devices=told.devices.get(user_id, {}),
                    master=told.masters.get(user_id),
                    self_signing=told.self_signing.get(user_id),
                )
                for user_id in user_ids
                if domain_of(user_id) not in told.failures
            }
            await self.store(lists, ())
        finally:
            for user_id in user_ids:
                self._fetching.pop(user_id, None)
                self._news.discard(user_id)
        return told.failures

    def _remember(self, lists: Mapping[str, DeviceList]) -> None:
        for loaded in self._loads:
            loaded.update(lists)
        for user_id, known in lists.items():
            self._known[user_id] = self._judged(user_id, known)
        while len(self._known) > USERS:
            self._known.popitem(last=False)

    async def _load(self, user_ids: list[str]) -> dict[str, DeviceList]:
        changed = set[str]()
        self._loads.append(changed)
        try:
            found = await store.of_users(self._db, user_ids)
            leaves = await joined_rooms.last_leaves(self._db, list(found)) if found else {}
        finally:
            self._loads = [other for other in self._loads if other is not changed]
        judged = {
            user_id: replace(known, is_stale=True) if known.synced_pos < leaves.get(user_id, 0) else known
            for user_id, known in found.items()
        }
        for user_id, known in judged.items():
            if user_id not in changed:
                self._known[user_id] = self._judged(user_id, known)
        while len(self._known) > USERS:
            self._known.popitem(last=False)
        return {user_id: self._known.get(user_id, known) for user_id, known in judged.items()}

    def _judged(self, user_id: str, known: DeviceList) -> DeviceList:
        return replace(known, is_stale=True) if known.synced_pos < self._left.get(user_id, 0) else known

    def _has_left(self, user_id: str, pos: int) -> None:
        self._departed.add(user_id)
        self._left[user_id] = pos
        if len(self._left) > LEAVES:
            self._left.popitem(last=False)
        known = self._known.get(user_id)
        if known is not None:
            self._known[user_id] = self._judged(user_id, known)

    async def _check(self) -> None:
        """Do not remember who is not to be met any more, because of their leave or of ours."""
        try:
            while self._departed or self._rooms_left:
                departed, self._departed = self._departed, set()
                left, self._rooms_left = self._rooms_left, set()
                for room_nid in left:
                    if self._server_name not in await self._whereabouts.servers_in(room_nid):
                        departed.update(await joined_rooms.users_in(self._db, known_members(room_nid)))
                known = await store.of_users(self._db, departed) if departed else {}
                if known:
                    await self.drop_strangers(known)
        except DatabaseError as error:
            logger.warning("Could not forget devices of users who have left: %s", error)
        finally:
            self._checking = None


def _seen(task: "asyncio.Task[dict[str, Any]]") -> None:
    if not task.cancelled():
        task.exception()  # Seen: who asked may have gone.


def _is_good(known: DeviceList | None) -> bool:
    return known is not None and not known.is_stale


def _add(found: QueriedKeys, user_id: str, known: DeviceList, wanted: Sequence[str]) -> None:
    devices = known.devices
    found.devices[user_id] = {
        device_id: devices[device_id] for device_id in (wanted or devices) if device_id in devices
    }
    if known.master is not None:
        found.masters[user_id] = known.master
    if known.self_signing is not None:
        found.self_signing[user_id] = known.self_signing
