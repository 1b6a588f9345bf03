"""Who came to share a room with a user, and who no longer does, between two positions of the event stream.

Spec: client-server API, "Extensions to /sync" of the end-to-end encryption module. Rooms count whether they are encrypted
or not: a client that tracks too many devices is right, one that misses some is not.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ranvier.db.engine import Database
from ranvier.rooms.full_room import known_members
from ranvier.store import member_changes as store
from ranvier.store import rooms as room_store
from ranvier.store.member_changes import MemberChange
from ranvier.sync.feed import Feed, Feeds
from ranvier.sync.member_changes import MemberChanges
from ranvier.sync.partly_known import PartlyKnown

PAGE: Final = 5000
LOOK_UPS: Final = 20_000
"""So many are made to leave out of `began` who shared another room before; the spec does not ask for that."""


@dataclass(slots=True)
class Sharing:
    """Numbers of users."""

    began: set[int] = field(default_factory=set)
    """Who shares a room now and did not before (or may have shared another one)."""
    ceased: set[int] = field(default_factory=set)
    """Who shared a room before and does not now."""
    moved: bool = False
    """Whether anybody has left, so that who shared a room a moment ago may not any more."""


class _Steps:
    """Steps into and out of one room: of each user the first and the last."""

    def __init__(self) -> None:
        self.first: dict[int, MemberChange] = {}
        self.last: dict[int, MemberChange] = {}

    def add(self, step: MemberChange) -> None:
        self.first.setdefault(step.user_nid, step)
        self.last[step.user_nid] = step

    @property
    def joined(self) -> set[int]:
        """Who is in the room now because of a step."""
        return {user_nid for user_nid, step in self.last.items() if step.joined}

    @property
    def left(self) -> set[int]:
        """Who was in the room before the steps, and is not now."""
        return {nid for nid, step in self.last.items() if not step.joined and not self.first[nid].joined}

    def joined_before(self, joined_now: Iterable[int]) -> set[int]:
        """Who was in the room before the steps."""
        came = {user_nid for user_nid, step in self.first.items() if step.joined}
        return {*joined_now, *self.first} - came


class Sharers:
    """Compares."""

    def __init__(self, *, db: Database, feeds: Feeds, members: MemberChanges, partly_known: PartlyKnown) -> None:
        self._db = db
        self._feeds = feeds
        self._members = members
        self._partly_known = partly_known

    async def changed(self, feed: Feed, since: int, upto: int) -> Sharing:
        """What has changed in `since < position <= upto`. No statement if nobody has moved, as far as memory reaches."""
        found = Sharing()
        if feed.events.newest <= since:
            return found
        appeared = set(self._partly_known.appeared(feed, feed.events.after(since), since))
        if not appeared and self._members.none_after(since):
            return found
        joined = set(feed.joined)
        active = [room_nid for room_nid in feed.events.after(since) if room_nid in joined]
        own = _by_room(await self._members.of_user(feed.user_nid, since, upto))
        mine = {room_nid: (steps.first[feed.user_nid], steps.last[feed.user_nid]) for room_nid, steps in own.items()}
        gained = {room_nid for room_nid, (_, last) in mine.items() if last.joined and room_nid in joined}
        lost = {room_nid for room_nid, (first, _) in mine.items() if not first.joined and room_nid not in joined}
        steps = _by_room(await self._members.of_rooms({*active, *gained, *lost}, since, upto))
        found.moved = any(not step.joined for _, step in mine.values())
        for room_nid, moves in steps.items():
            if room_nid in lost:
                continue
            found.moved = found.moved or any(not step.joined for step in moves.last.values())
            if room_nid not in gained:
                found.began |= moves.joined
            if room_nid not in gained or not mine[room_nid][0].joined:
                found.ceased |= moves.left
        for room_nid in gained | appeared:
            # Those of a partial room who are not known yet are told of when it is full.
            found.began.update(await self._joined_to(room_nid))
        for room_nid in lost:
            found.ceased |= steps.get(room_nid, _Steps()).joined_before(await self._joined_to(room_nid))
        found.began.discard(feed.user_nid)
        found.ceased.discard(feed.user_nid)
        found.began -= await self._shared_throughout(joined - gained - appeared, found.began, steps)
        found.ceased -= await self.sharing(feed, found.ceased)
        return found

    async def sharing(self, feed: Feed, user_nids: Collection[int]) -> set[int]:
        """Those of these users who share a room with the user now. One statement, none if there is nobody to ask for."""
        joined = feed.joined
        if not user_nids or not joined:
            return set()
        heads = self._feeds.heads
        members = sum(heads[room_nid].joined_members for room_nid in joined if room_nid in heads)
        if len(joined) * len(user_nids) > max(LOOK_UPS, members):
            everybody = await store.joined_of(self._db, joined)
            return everybody.intersection(user_nids)
        return {user_nid for _, user_nid in await store.joined_among(self._db, joined, user_nids)}

    async def _joined_to(self, room_nid: int) -> set[int]:
        """Who is in a room, as far as is known. One statement for each `PAGE`."""
        found: set[int] = set()
        last = 0
        while True:
            page = await room_store.joined_page(self._db, known_members(room_nid), after=last, limit=PAGE)
            found.update(page)
            if len(page) < PAGE:
                return found
            last = page[-1]
            await asyncio.sleep(0)  # Reading may not have let others go on.

    async def _shared_throughout(
        self, kept: Collection[int], user_nids: Collection[int], steps: dict[int, _Steps]
    ) -> set[int]:
        """Those who were in one of the kept rooms all the while."""
        if not kept or not user_nids or len(kept) * len(user_nids) > LOOK_UPS:
            return set()
        pairs = await store.joined_among(self._db, kept, user_nids)
        nobody = _Steps()
        return {user_nid for room_nid, user_nid in pairs if user_nid not in steps.get(room_nid, nobody).last}


def _by_room(steps: Sequence[MemberChange]) -> dict[int, _Steps]:
    found: dict[int, _Steps] = {}
    for step in steps:
        found.setdefault(step.room_nid, _Steps()).add(step)
    return found
