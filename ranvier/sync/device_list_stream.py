"""Device lists as one of the streams of `/sync`, and what `/keys/changes` tells.

Spec: client-server API, "Tracking the device list for a user". A change is marked in the feeds of those who share a room
with the user before its position is committed; so a sync without news asks the database nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

import orjson

from ranvier.db.engine import Database
from ranvier.e2ee.device_lists import DeviceLists
from ranvier.store import device_lists as store
from ranvier.store import rooms as room_store
from ranvier.store.rooms import JOIN
from ranvier.store.state_keys import StateKeys
from ranvier.sync.feed import Feed, Feeds
from ranvier.sync.sharing import Sharers
from ranvier.sync.token import SyncToken

PORTION: Final = 5000


@dataclass(frozen=True, slots=True)
class DeviceListChanges:
    """What a client is told."""

    changed: list[str]
    left: list[str]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.changed and not self.left

    @property
    def json(self) -> bytes:
        """As in the answers of the API."""
        return orjson.dumps({"changed": self.changed, "left": self.left})


class DeviceListStream:
    """Knows, for who syncs, whose devices have changed."""

    def __init__(self, *, db: Database, keys: StateKeys, lists: DeviceLists, feeds: Feeds, sharers: Sharers) -> None:
        self._db = db
        self._keys = keys
        self._positions = lists.positions
        self._feeds = feeds
        self._sharers = sharers
        self.rooms_elsewhere: Callable[[str], Awaitable[Collection[int]]] = _nowhere
        """The rooms that a user of another server is joined to."""
        self._unwoken: list[tuple[int, set[Feed]]] = []
        """Who is marked with a position that is not committed yet."""
        lists.on_changed.append(self._on_changed)
        lists.on_signed.append(self._on_signed)
        lists.on_closed.append(self._wake)
        feeds.loaded.append(self._on_loaded)

    @property
    def newest(self) -> int:
        """Everything up to here is durable and marked."""
        return self._positions.committed

    async def of_user(self, user_id: str, since: SyncToken, upto: SyncToken) -> DeviceListChanges:
        """What has changed for a user between two tokens."""
        return await self.changes(await self._feeds.get(user_id), since, upto)

    async def changes(self, feed: Feed, since: SyncToken, upto: SyncToken) -> DeviceListChanges:
        """What has changed for the user of a feed. No statement if nothing has, as far as memory reaches."""
        changed = await self._changed(feed, since.device_lists, upto.device_lists)
        sharing = await self._sharers.changed(feed, since.events, upto.events)
        if changed and sharing.moved:
            changed = await self._who_share(feed, changed)
        return DeviceListChanges(
            _ordered(changed.union(await self._user_ids(sharing.began))),
            _ordered(await self._user_ids(sharing.ceased)),
        )

    async def _changed(self, feed: Feed, since: int, upto: int) -> set[str]:
        marks = feed.devices
        changed = {user_id for user_id in marks.after(since) if marks.get(user_id) <= upto}
        if since < marks.complete_after:
            changed.update(await store.changes(self._db, feed.user_id, feed.joined, since))
        return changed

    async def _who_share(self, feed: Feed, user_ids: Iterable[str]) -> set[str]:
        """The user, and those who share a room with them now."""
        nids = {user_id: await self._keys.find_user(self._db, user_id) for user_id in user_ids}
        others = {nid for user_id, nid in nids.items() if nid is not None and user_id != feed.user_id}
        sharing = await self._sharers.sharing(feed, others)
        return {user_id for user_id, nid in nids.items() if nid in sharing or user_id == feed.user_id}

    async def _user_ids(self, user_nids: set[int]) -> set[str]:
        found: set[str] = set()
        nids = list(user_nids)
        for start in range(0, len(nids), PORTION):
            portion = await self._keys.keys(self._db, nids[start : start + PORTION])
            found.update(key[1] for key in portion.values())
            if start:
                await asyncio.sleep(0)  # Reading may not have let others go on.
        return found

    async def _on_changed(self, user_id: str, position: int) -> None:
        followers: set[Feed] = set()
        for room_nid in await self._rooms_of(user_id):
            followers.update(self._feeds.followers(room_nid))
        own = self._feeds.peek(user_id)
        if own is not None:
            followers.add(own)
        self._mark(followers, user_id, position)

    async def _on_signed(self, signer: str, target: str, position: int) -> None:
        own = self._feeds.peek(signer)
        if own is not None:
            self._mark({own}, target, position)

    async def _rooms_of(self, user_id: str) -> Collection[int]:
        """The rooms a user is in. For local users at most two statements, none if the user syncs."""
        feed = self._feeds.peek(user_id)
        if feed is not None and feed.ready is None:
            return feed.joined
        user_nid = await self._keys.find_user(self._db, user_id)
        if user_nid is None:
            return []
        memberships = await room_store.memberships_of(self._db, user_nid)
        joined = [membership.room_nid for membership in memberships if membership.membership == JOIN]
        return joined or await self.rooms_elsewhere(user_id)

    def _mark(self, feeds: set[Feed], user_id: str, position: int) -> None:
        for feed in feeds:
            is_late = position < feed.devices.newest
            feed.devices.touch(user_id, position)
            if is_late:
                feed.devices.sort()
        self._unwoken.append((position, feeds))

    def _wake(self) -> None:
        committed = self.newest
        due = [feeds for position, feeds in self._unwoken if position <= committed]
        self._unwoken = [entry for entry in self._unwoken if entry[0] > committed]
        for feeds in due:
            for feed in feeds:
                feed.wake()

    def _on_loaded(self, feed: Feed) -> None:
        feed.devices.complete_after = self._positions.given_out


def _ordered(user_ids: set[str]) -> list[str]:
    """In order, so that equal answers look alike; not where that would hold up everybody else."""
    return sorted(user_ids) if len(user_ids) <= PORTION else list(user_ids)


async def _nowhere(user_id: str) -> Collection[int]:
    return ()
