"""The sections of rooms in a sync answer: joined, invited, knocking, left.

Spec: client-server API, "Syncing". A room is there if anything in it is new for the user: events, receipts, typing, or
their own account data about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from ranvier.store.rooms import BAN, INVITE, JOIN, KNOCK, LEAVE, Membership, RoomRow
from ranvier.sync.feed import Feed, Feeds
from ranvier.sync.joined import JoinedRooms
from ranvier.sync.outside import OutsideRooms
from ranvier.sync.partly_known import PartlyKnown
from ranvier.sync.query import SyncQuery
from ranvier.sync.read_ahead import Ahead
from ranvier.sync.receipt_stream import ReceiptStream
from ranvier.sync.token import SyncToken, end_of
from ranvier.sync.typing_stream import TypingStream
from ranvier.sync.unread import Unread
from ranvier.users.ignored_users import IgnoredUsers
from ranvier.users.invite_permission import InvitePermission

READ_AHEAD: Final = 50
"""For so many rooms together is read what they need."""

AccountEvents = Mapping[str, Sequence[tuple[str, bytes]]]
"""`(type, content)` of what has changed in account data, by room id."""

Receipts = Mapping[int, Sequence[bytes]]


@dataclass(slots=True, kw_only=True)
class _News:
    """What there may be to tell in an answer."""

    since: SyncToken | None
    now: SyncToken
    events: frozenset[int] | set[int]
    receipts: frozenset[int] | set[int]
    typing: frozenset[int] | set[int]
    account_data: AccountEvents
    ignored: frozenset[str]


class RoomSections:
    """Builds sections."""

    def __init__(
        self,
        *,
        feeds: Feeds,
        joined: JoinedRooms,
        outside: OutsideRooms,
        partly_known: PartlyKnown,
        unread: Unread,
        receipts: ReceiptStream,
        typing: TypingStream,
        ignored_users: IgnoredUsers,
        invite_permission: InvitePermission,
    ) -> None:
        self._feeds = feeds
        self._joined = joined
        self._outside = outside
        self._partly_known = partly_known
        self._unread = unread
        self._receipts = receipts
        self._typing = typing
        self._ignored_users = ignored_users
        self._invite_permission = invite_permission

    async def build(
        self, query: SyncQuery, feed: Feed, since: SyncToken | None, now: SyncToken, account_data: AccountEvents
    ) -> bytes:
        """The object `rooms`; empty if there is nothing to tell."""
        everything = since is None or query.full_state
        news = _News(
            since=since,
            now=now,
            events=set(feed.events.all() if everything or since is None else feed.events.after(since.events)),
            receipts=set() if since is None else await self._receipts.changed(feed, since.receipts),
            typing=set() if since is None else self._typing.changed(feed, since.typing),
            account_data=account_data,
            ignored=await self._ignored_users.of(feed.user_id),
        )
        changed = [feed.memberships[room_nid] for room_nid in news.events if room_nid in feed.memberships]
        sections = [
            (b"join", await self._join(query, feed, news)),
            (b"invite", await self._invitations(query, changed, news)),
            (b"knock", await self._doors(query, changed, news, KNOCK, "knock_state")),
            (b"leave", await self._leave(query, changed, news)),
        ]
        return b",".join(b'"%s":{%s}' % (name, b",".join(rooms)) for name, rooms in sections if rooms)

    def appearing(self, query: SyncQuery, feed: Feed, since: SyncToken | None) -> list[str]:
        """The ids of joined rooms that are shown now and were not before: what the user keeps about them was not told."""
        if since is None:
            return []
        changed, mine = list(feed.events.after(since.events)), feed.memberships
        appeared = {
            room_nid
            for room_nid in changed
            if room_nid in mine and mine[room_nid].membership == JOIN and mine[room_nid].stream_pos > since.events
        }
        if not query.lazy_members:
            appeared.update(self._partly_known.appeared(feed, changed, since.events))
        return [self._feeds.heads[room_nid].room_id for room_nid in appeared if room_nid in self._feeds.heads]

    async def _join(self, query: SyncQuery, feed: Feed, news: _News) -> list[bytes]:
        wanted = self._joined_rooms(query, feed, news)
        begins = self._partly_known.begins
        anew = [mine.room_nid for mine, _ in wanted if news.since is None or begins(query, mine) > news.since.events]
        receipts = await self._read(query, feed, news, anew)
        sections = []
        is_new = frozenset(anew)
        known: dict[int, Ahead] = {}
        for number, (mine, head) in enumerate(wanted):
            if number % READ_AHEAD == 0:
                ahead = [entry for entry in wanted[number : number + READ_AHEAD] if entry[0].room_nid in is_new]
                known = await self._joined.ahead(query, ahead, end_of(news.now.events), news.ignored)
            if mine.room_nid in is_new:
                members = await self._joined.whole(
                    query, mine, head, end_of(news.now.events), news.ignored, known.get(mine.room_nid)
                )
            else:
                members = await self._members(query, news, mine, head)
            ephemeral = self._ephemeral(query, news, head, receipts)
            account = _account_data(query, news.account_data.get(head.room_id, ()))
            if members or ephemeral or account:
                threads = query.filter.room.timeline.unread_thread_notifications
                members.append(await self._unread.of(feed, mine.room_nid, end_of(news.now.events), threads=threads))
                members.append(b'"account_data":{"events":[%s]}' % b",".join(account))
                members.append(b'"ephemeral":{"events":[%s]}' % b",".join(ephemeral))
                sections.append(orjson.dumps(head.room_id) + b":{%s}" % b",".join(members))
        return sections

    def _joined_rooms(self, query: SyncQuery, feed: Feed, news: _News) -> list[tuple[Membership, RoomRow]]:
        """The rooms in which there may be something to tell."""
        found = []
        room_nids = news.events | news.receipts | news.typing
        if news.account_data:
            heads = self._feeds.heads
            room_nids |= {nid for nid in feed.joined if nid in heads and heads[nid].room_id in news.account_data}
        for room_nid in room_nids:
            mine = feed.memberships.get(room_nid)
            head = self._feeds.heads.get(room_nid)
            if mine is None or mine.membership != JOIN or head is None or self._partly_known.hides(query, room_nid):
                continue
            if query.filter.room.allows_room(head.room_id):
                found.append((mine, head))
        return found

    async def _members(self, query: SyncQuery, news: _News, mine: Membership, head: RoomRow) -> list[bytes]:
        """What has happened, as members of the section's JSON object; none if there is no news of this kind."""
        if mine.room_nid not in news.events or news.since is None:
            return []
        upto = end_of(news.now.events)
        found = await self._joined.since(query, mine, head, news.since.events, upto, news.ignored)
        if found is None and self._partly_known.became_full(mine.room_nid, news.since.events):
            return [await self._joined.summary(query, head)]
        return found or []

    async def _read(self, query: SyncQuery, feed: Feed, news: _News, anew: Sequence[int]) -> Receipts:
        """The receipts that are to be told, by room."""
        if not query.filter.room.ephemeral.allows_type("m.receipt"):
            return {}
        found = dict(await self._receipts.whole(feed, anew)) if anew else {}
        later = set(news.receipts).difference(anew)
        if later and news.since is not None:
            found.update(await self._receipts.since(feed, later, news.since.receipts))
        return found

    def _ephemeral(self, query: SyncQuery, news: _News, head: RoomRow, receipts: Receipts) -> list[bytes]:
        wanted = query.filter.room.ephemeral
        if not wanted.allows_room(head.room_id):
            return []
        events = list(receipts.get(head.room_nid, ()))
        has_typing = head.room_nid in news.typing or (news.since is None and self._typing.anyone(head.room_nid))
        if has_typing and wanted.allows_type("m.typing"):
            events.append(self._typing.event(head.room_nid, news.ignored))
        return events

    async def _invitations(self, query: SyncQuery, changed: Sequence[Membership], news: _News) -> list[bytes]:
        """Who accepts no invitations is not told of those that there are."""
        invited = [entry for entry in changed if entry.membership == INVITE]
        if not invited or await self._invite_permission.blocks(query.user_id):
            return []
        return await self._doors(query, invited, news, INVITE, "invite_state")

    async def _doors(
        self, query: SyncQuery, changed: Sequence[Membership], news: _News, membership: int, key: str
    ) -> list[bytes]:
        """Rooms the user is invited to, or knocks at. Invitations from ignored users are not told."""
        sections = []
        for entry in changed:
            if entry.membership != membership or (news.since is not None and entry.stream_pos <= news.since.events):
                continue
            room_id = await self._outside.room_id(entry)
            if not query.filter.room.allows_room(room_id):
                continue
            if news.ignored and await self._outside.sender(entry) in news.ignored:
                continue
            sections.append(orjson.dumps(room_id) + b":" + await self._outside.stripped(entry, key))
        return sections

    async def _leave(self, query: SyncQuery, changed: Sequence[Membership], news: _News) -> list[bytes]:
        if news.since is None and not query.filter.room.include_leave:
            return []
        sections = []
        since = None if news.since is None else news.since.events
        for entry in changed:
            if entry.membership not in (LEAVE, BAN) or (since is not None and entry.stream_pos <= since):
                continue
            room_id = await self._outside.room_id(entry)
            if not query.filter.room.allows_room(room_id):
                continue
            section = await self._outside.left(query, entry, since, news.ignored)
            if section is not None:
                sections.append(orjson.dumps(room_id) + b":" + section)
        return sections


def account_event(type_: str, content: bytes) -> bytes:
    """One event of account data."""
    return b'{"type":%s,"content":%s}' % (orjson.dumps(type_), content)


def _account_data(query: SyncQuery, changes: Sequence[tuple[str, bytes]]) -> list[bytes]:
    wanted = query.filter.room.account_data
    return [account_event(type_, content) for type_, content in changes if wanted.allows_type(type_)]
