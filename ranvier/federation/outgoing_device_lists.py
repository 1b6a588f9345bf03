"""Tells other servers of changes to the devices and cross-signing keys of local users.

Spec: server-server API, "Device Management", `m.device_list_update`, `m.signing_key_update`. Whoever shares a room with the
user is told, also after a restart, and if the server could not be reached for a while only how things stand then. What is
to be told is found from positions: a change costs one transaction, however many servers there are.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from ranvier.db.engine import Database, DatabaseError, Tx
from ranvier.e2ee.device_lists import DeviceLists
from ranvier.e2ee.query_keys import KeyQueries
from ranvier.e2ee.user_keys import UserKeys
from ranvier.federation.announce_devices import Change, changed_devices, device_edus, last_update, numbered
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append
from ranvier.rooms.whereabouts import Whereabouts
from ranvier.store import announced_devices as store
from ranvier.store.announced_devices import CROSS_SIGNING, Announced
from ranvier.store.rooms import JOIN

logger = logging.getLogger(__name__)

NAME: Final = "device lists"
TRY_AGAIN_S: Final = 10.0
_MADE: Final = 100

Edus = list[tuple[int, bytes]]


class OutgoingDeviceLists:
    """A source of durable EDUs. `on_changed` listens to the device lists, `on_commit` to `Whereabouts`."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        lists: DeviceLists,
        queries: KeyQueries,
        whereabouts: Whereabouts,
        server_name: str,
        shows_names: bool,
    ) -> None:
        self._db = db
        self._clock = clock
        self._lists = lists
        self._queries = queries
        self._whereabouts = whereabouts
        self._server_name = server_name
        self._shows_names = shows_names
        self.wake: Callable[[Iterable[str]], None] = lambda destinations: None
        """Called when something waits for servers."""
        self._changed: dict[str, int] = {}
        """By user the last change that nobody has been told of."""
        self._rooms_joined: dict[str, set[int]] = {}
        """By user the rooms they have just come into, perhaps with servers that do not know their devices."""
        self._waiting: dict[str, dict[str, int]] = {}
        """By server and user the last update that the server knows, 0 for none."""
        self._on_the_way: dict[str, tuple[int, dict[str, tuple[int, bool]]]] = {}
        """By server a number, and by user up to which update is being sent, and whether that is all."""
        self._reads = 0
        self._announcements = 0
        self._made: dict[tuple[str, int], Edus] = {}
        self._saved: dict[tuple[str, str], int] = {}
        self._sent_pos: int | None = None
        self._recovered: dict[str, int] = {}
        """By user, after a restart: the position up to which everybody had been told."""
        self._work: asyncio.Task[None] | None = None

    # What has changed.

    async def on_changed(self, user_id: str, position: int) -> None:
        """A listener of the device lists. Nobody waits for what comes of it."""
        if domain_of(user_id) == self._server_name:
            self._changed[user_id] = position
            self._start_work()

    def on_commit(self, batch: Sequence[Append]) -> None:
        """A listener of `Whereabouts`: who meets new servers is told to them."""
        for append in batch:
            for change in append.members:
                if change.is_local and change.membership == JOIN and change.previous != JOIN:
                    self._joined(change.user_id, append.room.room_nid)

    async def tell_again(self, user_ids: Iterable[str], servers: AbstractSet[str], *, told_upto: int) -> None:
        """These servers may not have been told what has changed of these users after a position. A statement a user."""
        for user_id in user_ids:
            since = last_update((await store.of_user(self._db, user_id)).values(), upto=told_upto)
            for server in servers:
                self._wait(server, user_id, since)
        self.wake(servers)

    async def save_waiting(self, tx: Tx, user_ids: Iterable[str], servers: AbstractSet[str]) -> Callable[[], None]:
        """As `save`, for these only: what `tell_again` was told is not forgotten. One statement."""
        waiting = {
            (server, user_id): since
            for user_id in user_ids
            for server in sorted(servers)
            if (since := self._waiting.get(server, {}).get(user_id)) is not None
        }
        await store.save_outbox(tx, waiting, ())
        return lambda: self._saved.update(waiting)

    async def settled(self) -> None:
        """Wait until everything that has changed waits for the servers that it concerns."""
        while self._work is not None:
            await asyncio.shield(self._work)

    async def close(self) -> None:
        """Stop; what is left is found after a start."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    # As a source of EDUs.

    async def destinations(self) -> Sequence[str]:
        """The servers that an earlier run has not reached. Three statements; a transaction the first time."""
        self._sent_pos = await store.sent_pos(self._db)
        if self._sent_pos is None:
            async with self._db.write() as tx:
                await store.save_sent_pos(tx, self._lists.positions.committed)
            self._sent_pos = self._lists.positions.committed
        for destination, user_id, since in await store.outbox(self._db):
            self._saved[destination, user_id] = since
            known = self._waiting.setdefault(destination, {})
            known[user_id] = min(since, known.get(user_id, since))
        for user_id, position in (await store.changed_after(self._db, self._sent_pos)).items():
            if domain_of(user_id) == self._server_name:
                self._recovered[user_id] = self._sent_pos
                self._changed.setdefault(user_id, position)
        self._start_work()
        return list(self._waiting)

    async def read(self, destination: str, *, limit: int) -> tuple[Sequence[bytes], int]:
        """The next EDUs for a server. A statement a user, none if another server has just been told the same."""
        found: list[bytes] = []
        upto: dict[str, tuple[int, bool]] = {}
        for user_id, since in list(self._waiting.get(destination, {}).items()):
            if len(found) >= limit:
                break
            announcements = self._announcements
            edus = await self._edus(user_id, since)
            is_newest = announcements == self._announcements
            part = edus[: limit - len(found)]
            found += [edu for _, edu in part]
            if part:
                upto[user_id] = part[-1][0], is_newest and len(part) == len(edus)
            elif is_newest:
                self._forget(destination, user_id)
        self._reads += 1
        self._on_the_way[destination] = self._reads, upto
        return found, self._reads

    def delivered(self, destination: str, last: int) -> None:
        """The server knows what `read` has returned with this number."""
        number, upto = self._on_the_way.get(destination, (0, {}))
        if number != last:
            return
        del self._on_the_way[destination]
        for user_id, (position, is_all) in upto.items():
            if is_all:
                self._forget(destination, user_id)
            elif user_id in self._waiting.get(destination, {}):
                self._waiting[destination][user_id] = position

    async def save(self, tx: Tx) -> Callable[[], None]:
        """Write down who has still to be told. At most four statements, none if nothing has changed."""
        waiting = {
            (destination, user_id): since
            for destination, by_user in self._waiting.items()
            for user_id, since in by_user.items()
        }
        new = {key: since for key, since in waiting.items() if self._saved.get(key) != since}
        gone = [key for key in self._saved if key not in waiting]
        position = self._sent_pos
        if not self._changed and not self._rooms_joined and self._work is None:
            position = self._lists.positions.committed
        await store.save_outbox(tx, new, gone)
        if position != self._sent_pos and position is not None:
            await store.save_sent_pos(tx, position)
            if not waiting:
                await store.delete_gone(tx, position)

        def committed() -> None:
            self._saved, self._sent_pos = waiting, position

        return committed

    async def expire(self) -> None:
        """Nothing is given up: what a server is told is how things stand then."""

    # What comes of a change.

    def _joined(self, user_id: str, room_nid: int) -> None:
        servers = self._whereabouts.known_servers(room_nid)
        if servers is not None and len(servers) < 2:
            return
        self._rooms_joined.setdefault(user_id, set()).add(room_nid)
        self._start_work()

    def _start_work(self) -> None:
        if self._work is None:
            self._work = asyncio.create_task(self._announce_all(), name="outgoing device lists")

    async def _announce_all(self) -> None:
        try:
            while self._changed or self._rooms_joined:
                user_id = next(iter(self._changed or self._rooms_joined))
                try:
                    await self._announce(user_id)
                except DatabaseError as error:
                    logger.warning("Could not tell other servers of the devices of %s: %s", user_id, error)
                    await self._clock.sleep(TRY_AGAIN_S)
                except Exception:
                    logger.exception("Cannot tell other servers of the devices of %s", user_id)
                    self._changed.pop(user_id, None)
                    self._rooms_joined.pop(user_id, None)
        finally:
            self._work = None

    async def _announce(self, user_id: str) -> None:
        position, joined = self._changed.get(user_id), set(self._rooms_joined.get(user_id, ()))
        servers = await self._whereabouts.servers_of(user_id) - {self._server_name}
        new = await self._newly_met(user_id, joined)
        if servers and (position is not None or new):
            await self._tell(user_id, position, servers, new)
        if self._changed.get(user_id) == position:
            self._changed.pop(user_id, None)
        rooms = self._rooms_joined.get(user_id, set())
        rooms -= joined
        if not rooms:
            self._rooms_joined.pop(user_id, None)

    async def _tell(self, user_id: str, position: int | None, servers: AbstractSet[str], new: AbstractSet[str]) -> None:
        told = await store.of_user(self._db, user_id)
        keys = (await self._queries.published([user_id])).get(user_id, UserKeys())
        changed = changed_devices(keys, told, shows_names=self._shows_names)
        if changed:
            await self._keep(user_id, changed, told, position)
        told_upto = self._recovered.pop(user_id, None)
        self._announcements += 1
        self._made.clear()
        woken = new if told or changed else set()
        for server in woken:
            self._wait(server, user_id, 0)
        if changed or told_upto is not None:
            since = last_update(told.values(), upto=told_upto)
            woken = servers
            for server in servers:
                self._wait(server, user_id, since)
        if woken:
            self.wake(woken)

    async def _keep(
        self, user_id: str, changed: Sequence[Change], told: Mapping[str, Announced], position: int | None
    ) -> None:
        """Number the updates and write them down. The change itself is the first of them, further ones come after."""
        updates = max(1, sum(device_id != CROSS_SIGNING for device_id, _ in changed))
        last = max((one.stream_pos for one in told.values()), default=0)
        first = [position] if position is not None and position > last else []
        taken = [self._lists.positions.take() for _ in range(updates - len(first))]
        try:
            async with self._db.write() as tx:
                positions = first + taken
                await store.save(tx, user_id, numbered(changed, positions, positions[-1]))
                if taken:
                    await store.raise_change(tx, user_id, taken[-1])
        finally:
            for number in taken:
                self._lists.positions.close(number)
            for listener in self._lists.on_closed if taken else ():
                listener()

    async def _newly_met(self, user_id: str, joined: AbstractSet[int]) -> set[str]:
        """The servers in rooms that a user has just joined, and in no other room of theirs."""
        if not joined:
            return set()
        rooms = set(await self._whereabouts.of(user_id))
        new: set[str] = set()
        for room_nid in joined & rooms:
            new.update(await self._whereabouts.servers_in(room_nid))
        new.discard(self._server_name)
        for room_nid in rooms - joined:
            if not new:
                break
            new.difference_update(await self._whereabouts.servers_in(room_nid))
        return new

    async def _edus(self, user_id: str, since: int) -> Edus:
        made = self._made.get((user_id, since))
        if made is None:
            announcements = self._announcements
            told = await store.of_user(self._db, user_id)
            keys = (await self._queries.published([user_id])).get(user_id, UserKeys())
            made = device_edus(user_id, keys, told.values(), since=since, shows_names=self._shows_names)
            if announcements == self._announcements:
                if len(self._made) >= _MADE:
                    self._made.clear()
                self._made[user_id, since] = made
        return made

    def _wait(self, server: str, user_id: str, since: int) -> None:
        known = self._waiting.setdefault(server, {})
        known[user_id] = min(since, known.get(user_id, since))
        upto = self._on_the_way.get(server, (0, {}))[1]
        if user_id in upto:
            upto[user_id] = (upto[user_id][0], False)

    def _forget(self, server: str, user_id: str) -> None:
        known = self._waiting.get(server)
        if known is not None:
            known.pop(user_id, None)
            if not known:
                del self._waiting[server]
