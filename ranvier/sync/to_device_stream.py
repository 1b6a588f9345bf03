"""Messages to devices as one of the streams of `/sync`. Spec: client-server API, "Send-to-Device messaging"."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from ranvier.e2ee.inboxes import Inboxes
from ranvier.e2ee.to_device import ToDevice
from ranvier.sync.feed import Feeds
from ranvier.sync.query import SyncQuery
from ranvier.sync.token import SyncToken

AT_ONCE: Final = 100


class ToDeviceStream:
    """Knows, for who syncs, what has arrived."""

    def __init__(self, *, inboxes: Inboxes, to_device: ToDevice, feeds: Feeds) -> None:
        self._inboxes = inboxes
        self._feeds = feeds
        to_device.listeners.append(self._on_sent)

    @property
    def newest(self) -> int:
        """Everything up to here is durable."""
        return self._inboxes.positions.committed

    async def acknowledge(self, query: SyncQuery) -> None:
        """By its `since` a device says what it has got. Writes nothing now."""
        if query.since is not None and query.device_id is not None:
            await self._inboxes.acknowledge(query.user_id, query.device_id, query.since.to_device)

    async def has_news(self, query: SyncQuery, since: SyncToken) -> bool:
        """Whether something may have arrived."""
        if query.device_id is None:
            return False
        return await self._inboxes.newest(query.user_id, query.device_id) > since.to_device

    async def read(self, query: SyncQuery, since: SyncToken | None, now: SyncToken) -> tuple[list[bytes], SyncToken]:
        """The events to tell, and how far the client has come with them. At most one statement, mostly none."""
        if query.device_id is None:
            return [], now
        waiting = await self._inboxes.read(
            query.user_id,
            query.device_id,
            since=0 if since is None else since.to_device,
            upto=now.to_device,
            limit=AT_ONCE,
        )
        if len(waiting) == AT_ONCE:
            now = replace(now, to_device=waiting[-1].stream_pos)
        return [message.message for message in waiting], now

    def _on_sent(self, user_ids: Collection[str]) -> None:
        for user_id in user_ids:
            feed = self._feeds.peek(user_id)
            if feed is not None:
                feed.wake()
