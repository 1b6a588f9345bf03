"""`/sync`: everything that is new for one device, or a wait until something is.

Spec: client-server API, "Syncing". A first sync shows rooms as they are; later ones what has happened since. A sync
without news executes no statement.
"""

from ranvier.ports import Clock
from ranvier.rooms.append import Appender
from ranvier.sync.account_stream import AccountDataStream
from ranvier.sync.encryption import EncryptionSections
from ranvier.sync.feed import Feed, Feeds
from ranvier.sync.presence_stream import PresenceStream
from ranvier.sync.query import SyncQuery
from ranvier.sync.receipt_stream import ReceiptStream
from ranvier.sync.room_sections import RoomSections, account_event
from ranvier.sync.token import SyncToken
from ranvier.sync.typing_stream import TypingStream


class Sync:
    """Answers `/sync`."""

    def __init__(
        self,
        *,
        feeds: Feeds,
        appender: Appender,
        rooms: RoomSections,
        account_data: AccountDataStream,
        receipts: ReceiptStream,
        typing: TypingStream,
        presence: PresenceStream,
        encryption: EncryptionSections,
        clock: Clock,
    ) -> None:
        self._feeds = feeds
        self._appender = appender
        self._rooms = rooms
        self._account_data = account_data
        self._receipts = receipts
        self._typing = typing
        self._presence = presence
        self._encryption = encryption
        self._clock = clock

    async def sync(self, query: SyncQuery) -> bytes:
        """The answer's JSON. Waits up to `timeout_ms` if `since` is given and nothing is new."""
        feed = await self._feeds.get(query.user_id)
        await self._encryption.acknowledge(query)
        tracker, device_id = self._presence.tracker, query.device_id or ""
        is_present = tracker.begin_sync(query.user_id, device_id, query.set_presence)
        try:
            return await self._answer(query, feed)
        finally:
            if is_present:
                tracker.end_sync(query.user_id, device_id)

    async def _answer(self, query: SyncQuery, feed: Feed) -> bytes:
        since = query.since
        end = self._clock.monotonic() + query.timeout_ms / 1000
        while True:
            wakes = feed.wakes  # What comes while we look must not be waited for.
            now = self._now()
            if since is None or query.full_state:
                body, _ = await self._build(query, feed, since, now)
                return body
            if (
                self._may_have_news(feed, since)
                or await self._encryption.may_have_news(query, feed, since)
                or await self._account_data.newest_of(feed.user_id) > since.account_data
            ):
                body, has_news = await self._build(query, feed, since, now)
                if has_news:
                    return body
            left_s = end - self._clock.monotonic()
            if left_s <= 0:
                return b'{"next_batch":"%s",%s}' % (str(now).encode(), await self._encryption.idle(query))
            since = now
            await feed.wait(left_s, after=wakes)

    def _now(self) -> SyncToken:
        return SyncToken(
            events=self._appender.committed_pos,
            account_data=self._account_data.newest,
            receipts=self._receipts.writer.committed_pos,
            typing=self._typing.typing.pos,
            presence=self._presence.tracker.pos,
            to_device=self._encryption.to_device.newest,
            device_lists=self._encryption.device_lists.newest,
        )

    def _may_have_news(self, feed: Feed, since: SyncToken) -> bool:
        """Whether something is marked as new, or marks do not reach back that far."""
        return (
            feed.events.newest > since.events
            or feed.receipts.newest > since.receipts
            or feed.typing.newest > since.typing
            or feed.presence.newest > since.presence
        )

    async def _build(self, query: SyncQuery, feed: Feed, since: SyncToken | None, now: SyncToken) -> tuple[bytes, bool]:
        """The answer, and whether it tells anything."""
        account_since = -1 if since is None else since.account_data
        by_room = await self._account_data.changes(feed.user_id, account_since, now.account_data)
        if appearing := self._rooms.appearing(query, feed, since):
            by_room |= await self._account_data.of_rooms(feed.user_id, appearing, now.account_data)
        wanted = query.filter.account_data
        account = [account_event(*change) for change in by_room.pop("", []) if wanted.allows_type(change[0])]
        rooms = await self._rooms.build(query, feed, since, now, by_room)
        anew = since is None or query.full_state
        presence = self._presence.events(feed, None if anew or since is None else since.presence, query.filter.presence)
        encryption, now, has_news = await self._encryption.build(query, feed, since, now)
        parts = [b'"next_batch":"%s"' % str(now).encode(), *encryption]
        if rooms:
            parts.append(b'"rooms":{%s}' % rooms)
        if account:
            parts.append(b'"account_data":{"events":[%s]}' % b",".join(account))
        if presence:
            parts.append(b'"presence":{"events":[%s]}' % b",".join(presence))
        return b"{%s}" % b",".join(parts), bool(rooms or account or presence or has_news)
