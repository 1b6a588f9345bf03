"""`/sync`: everything that is new for one device, or a wait until something is.

Spec: client-server API, "Syncing". A first sync shows rooms as they are; later ones what has happened since. A sync
without news executes no statement.
"""

from collections.abc import Sequence

import orjson

from ranvier.ports import Clock
from ranvier.rooms.append import Appender
from ranvier.store.rooms import BAN, INVITE, JOIN, KNOCK, LEAVE, Membership
from ranvier.sync.account_stream import AccountDataStream
from ranvier.sync.feed import Feed, Feeds
from ranvier.sync.joined import JoinedRooms
from ranvier.sync.outside import OutsideRooms
from ranvier.sync.query import SyncQuery
from ranvier.sync.token import SyncToken, end_of
from ranvier.sync.unread import Unread

EMPTY = b'"device_lists":{"changed":[],"left":[]},"device_one_time_keys_count":{"signed_curve25519":0}'


class Sync:
    """Answers `/sync`."""

    def __init__(
        self,
        *,
        feeds: Feeds,
        appender: Appender,
        joined: JoinedRooms,
        outside: OutsideRooms,
        account_data: AccountDataStream,
        unread: Unread,
        clock: Clock,
    ) -> None:
        self._feeds = feeds
        self._appender = appender
        self._joined = joined
        self._outside = outside
        self._account_data = account_data
        self._unread = unread
        self._clock = clock

    async def sync(self, query: SyncQuery) -> bytes:
        """The answer's JSON. Waits up to `timeout_ms` if `since` is given and nothing is new."""
        feed = await self._feeds.get(query.user_id)
        since = query.since
        end = self._clock.monotonic() + query.timeout_ms / 1000
        while True:
            now = SyncToken(self._appender.committed_pos, self._account_data.newest)
            if since is None or query.full_state:
                body, _ = await self._build(query, feed, since, now)
                return body
            if feed.newest > since.events or await self._account_data.newest_of(feed.user_id) > since.account_data:
                body, has_news = await self._build(query, feed, since, now)
                if has_news:
                    return body
            left_s = end - self._clock.monotonic()
            if left_s <= 0:
                return b'{"next_batch":"%s",%s}' % (str(now).encode(), EMPTY)
            since = now
            await feed.wait(left_s)

    async def _build(self, query: SyncQuery, feed: Feed, since: SyncToken | None, now: SyncToken) -> tuple[bytes, bool]:
        """The answer, and whether it tells anything."""
        changed_since = -1 if since is None or query.full_state else since.events
        mine = [
            feed.memberships[room_nid]
            for room_nid, last in feed.last.items()
            if last > changed_since and room_nid in feed.memberships
        ]
        account_since = 0 if since is None else since.account_data
        by_room = await self._account_data.changes(feed.user_id, account_since, now.account_data)
        account = by_room.pop("", [])
        join = await self._join(query, feed, mine, since, now, by_room)
        others = [
            (b"invite", await self._doors(query, mine, since, INVITE, "invite_state")),
            (b"knock", await self._doors(query, mine, since, KNOCK, "knock_state")),
            (b"leave", await self._leave(query, mine, since)),
        ]
        sections = [(name, rooms) for name, rooms in [(b"join", join), *others] if rooms]
        parts = [b'"next_batch":"%s"' % str(now).encode(), EMPTY]
        if sections:
            parts.append(
                b'"rooms":{%s}' % b",".join(b'"%s":{%s}' % (name, b",".join(rooms)) for name, rooms in sections)
            )
        events = _account_events(query, account)
        if events:
            parts.append(b'"account_data":{"events":[%s]}' % b",".join(events))
        return b"{%s}" % b",".join(parts), bool(sections or events)

    async def _join(
        self,
        query: SyncQuery,
        feed: Feed,
        mine: Sequence[Membership],
        since: SyncToken | None,
        now: SyncToken,
        account_data: dict[str, list[tuple[str, bytes]]],
    ) -> list[bytes]:
        upto = end_of(now.events)
        sections = []
        told = set()
        for membership in mine:
            head = self._feeds.heads.get(membership.room_nid)
            if membership.membership != JOIN or head is None or not query.filter.room.allows_room(head.room_id):
                continue
            if since is None or membership.stream_pos > since.events:
                members: list[bytes] | None = await self._joined.whole(query, membership, head, upto)
            else:
                members = await self._joined.since(query, membership, head, since.events, upto)
            if members is None:
                continue
            members.append(await self._unread.of(feed, membership.room_nid, upto))
            members.append(_room_account_data(query, account_data.get(head.room_id, [])))
            members.append(b'"ephemeral":{"events":[]}')
            sections.append(orjson.dumps(head.room_id) + b":{%s}" % b",".join(members))
            told.add(head.room_id)
        if since is not None:
            for room_id, changes in account_data.items():
                if room_id not in told and query.filter.room.allows_room(room_id):
                    sections.append(orjson.dumps(room_id) + b":{%s}" % _room_account_data(query, changes))
        return sections

    async def _doors(
        self, query: SyncQuery, mine: Sequence[Membership], since: SyncToken | None, membership: int, key: str
    ) -> list[bytes]:
        """Rooms the user is invited to, or knocks at."""
        sections = []
        for entry in mine:
            if entry.membership != membership or (since is not None and entry.stream_pos <= since.events):
                continue
            room_id = await self._outside.room_id(entry.room_nid)
            if query.filter.room.allows_room(room_id):
                sections.append(orjson.dumps(room_id) + b":" + await self._outside.stripped(entry, key))
        return sections

    async def _leave(self, query: SyncQuery, mine: Sequence[Membership], since: SyncToken | None) -> list[bytes]:
        if since is None and not query.filter.room.include_leave:
            return []
        sections = []
        for entry in mine:
            if entry.membership not in (LEAVE, BAN) or (since is not None and entry.stream_pos <= since.events):
                continue
            room_id = await self._outside.room_id(entry.room_nid)
            if not query.filter.room.allows_room(room_id):
                continue
            section = await self._outside.left(query, entry, None if since is None else since.events)
            if section is not None:
                sections.append(orjson.dumps(room_id) + b":" + section)
        return sections


def _account_events(query: SyncQuery, changes: Sequence[tuple[str, bytes]]) -> list[bytes]:
    wanted = query.filter.account_data
    return [_account_event(type_, content) for type_, content in changes if wanted.allows_type(type_)]


def _room_account_data(query: SyncQuery, changes: Sequence[tuple[str, bytes]]) -> bytes:
    wanted = query.filter.room.account_data
    events = [_account_event(type_, content) for type_, content in changes if wanted.allows_type(type_)]
    return b'"account_data":{"events":[%s]}' % b",".join(events)


def _account_event(type_: str, content: bytes) -> bytes:
    return b'{"type":%s,"content":%s}' % (orjson.dumps(type_), content)
