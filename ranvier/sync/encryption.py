"""What end-to-end encryption adds to the answers of `/sync`: messages to the device, device lists, what keys are left.

Spec: client-server API, "Extensions to /sync" of the modules "End-to-End Encryption" and "Send-to-Device messaging".
"""

from ranvier.e2ee.key_counts import KeyCounts
from ranvier.sync.device_list_stream import DeviceListStream
from ranvier.sync.feed import Feed
from ranvier.sync.query import SyncQuery
from ranvier.sync.to_device_stream import ToDeviceStream
from ranvier.sync.token import SyncToken


class EncryptionSections:
    """Builds them."""

    def __init__(self, *, to_device: ToDeviceStream, device_lists: DeviceListStream, counts: KeyCounts) -> None:
        self.to_device = to_device
        self.device_lists = device_lists
        self._counts = counts

    async def acknowledge(self, query: SyncQuery) -> None:
        """By its `since` a device says what it has got."""
        await self.to_device.acknowledge(query)

    async def may_have_news(self, query: SyncQuery, feed: Feed, since: SyncToken) -> bool:
        """Whether something is marked as new, or marks do not reach back that far."""
        return feed.devices.has_after(since.device_lists) or await self.to_device.has_news(query, since)

    async def idle(self, query: SyncQuery) -> bytes:
        """Members of an answer without news."""
        return b'"device_lists":{"changed":[],"left":[]},' + await self._counts.part(query.user_id, query.device_id)

    async def build(
        self, query: SyncQuery, feed: Feed, since: SyncToken | None, now: SyncToken
    ) -> tuple[list[bytes], SyncToken, bool]:
        """Members of the answer, how far the client has come with them, and whether they tell anything."""
        messages, now = await self.to_device.read(query, since, now)
        parts = [await self._counts.part(query.user_id, query.device_id)]
        has_news = bool(messages)
        if since is not None:
            changes = await self.device_lists.changes(feed, since, now)
            parts.append(b'"device_lists":' + changes.json)
            has_news = has_news or not changes.is_empty
        if messages:
            parts.append(b'"to_device":{"events":[%b]}' % b",".join(messages))
        return parts, now, has_news
