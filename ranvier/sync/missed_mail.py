"""Mails about missed messages.

Configuration: `email.enable_notifs`, `email.notif_delay_before_mail`. Who has not read for a while what has come is
written to; then each room of the mail is silent for a time that grows with every mail, and is short again when nothing
has had to be told of it for half a day. What was told is written down; after a restart everybody is looked at once.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from ranvier.db.engine import Database, DatabaseError
from ranvier.mail.mailer import Mailer, MailFailed
from ranvier.mail.message import UnusableAddress
from ranvier.ports import Clock
from ranvier.rooms.append import Append
from ranvier.store import pushers as store
from ranvier.store.pushers import MailedRoom, PusherRow
from ranvier.store.rooms import INVITE, JOIN
from ranvier.sync.feed import Feeds
from ranvier.sync.missed import MissedMessages, MissedRoom
from ranvier.sync.missed_digest import shown_rooms, subject_of
from ranvier.users.profiles import Profiles
from ranvier.users.pushers import Pushers

logger = logging.getLogger(__name__)

FIRST_SILENCE_MS: Final = 10 * 60_000
LONGEST_SILENCE_MS: Final = 24 * 3_600_000
GROWTH: Final = 6
RESET_MS: Final = 12 * 3_600_000
"""After so long without anything to tell beyond its silence a room is as one that was never told of."""
RETRY_MS: Final = 10 * 60_000
_AT_ONCE: Final = 50
_TICK_S: Final = 10.0


class MissedMail:
    """Writes to those who want it. `on_commit` is a listener of the appender: it costs nothing by the size of a room."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        feeds: Feeds,
        missed: MissedMessages,
        mailer: Mailer,
        pushers: Pushers,
        profiles: Profiles,
        delay_ms: int,
        client_base_url: str | None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._feeds = feeds
        self._missed = missed
        self._mailer = mailer
        self._pushers = pushers
        self._profiles = profiles
        self._delay_ms = delay_ms
        self._client_base_url = client_base_url
        self._readers: dict[str, set[int]] = {}
        """The rooms of those who are told by mail."""
        self._of_room: defaultdict[int, set[str]] = defaultdict(set)
        self._touched: dict[int, None] = {}
        """Rooms in which something has happened since the last look."""
        self._due: dict[str, int] = {}
        """When to look what somebody has missed."""
        self._new: dict[str, None] = {}

    def want(self, user_id: str) -> None:
        """A user is told by mail from now on."""
        self._new[user_id] = None

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Note where something has happened, and where readers have come and gone."""
        if not self._readers:
            return
        for append in batch:
            room_nid = append.room.room_nid
            for change in append.members:
                if change.is_local and change.user_id in self._readers:
                    self._move(change.user_id, room_nid, change.membership)
            if append.events and room_nid in self._of_room:
                self._touched[room_nid] = None

    async def run(self) -> None:
        """Look and write until cancelled."""
        await self.load()
        while True:
            await self._clock.sleep(min(_TICK_S, max(0.02, self._delay_ms / 4000)))
            try:
                await self.tick()
            except DatabaseError:
                logger.warning("Could not look who has missed messages", exc_info=True)

    async def load(self) -> None:
        """Who is told by mail; each is looked at once, since nobody knows what came before the start. One statement."""
        due = self._clock.now_ms() + self._delay_ms
        for user_id, room_nid in await store.readers(self._db):
            self._readers.setdefault(user_id, set())
            if room_nid is not None:
                self._move(user_id, room_nid, JOIN)
            self._due[user_id] = due

    async def tick(self) -> None:
        """Write to those whose time has come."""
        now_ms = self._clock.now_ms()
        new, self._new = self._new, {}
        for user_id in new:
            feed = await self._feeds.get(user_id)
            self._readers.setdefault(user_id, set())
            for room_nid in feed.joined:
                self._move(user_id, room_nid, JOIN)
            # What has happened since they wanted it was not noted.
            self._due.setdefault(user_id, now_ms + self._delay_ms)
        touched, self._touched = self._touched, {}
        for room_nid in touched:
            for user_id in self._of_room.get(room_nid, ()):
                self._due.setdefault(user_id, now_ms + self._delay_ms)
        for user_id in [user_id for user_id, due in self._due.items() if due <= now_ms][:_AT_ONCE]:
            # What happens while we look is for the next time.
            del self._due[user_id]
            await self._look(user_id)

    def _move(self, user_id: str, room_nid: int, membership: int) -> None:
        if membership == JOIN:
            self._readers[user_id].add(room_nid)
            self._of_room[room_nid].add(user_id)
            return
        self._readers[user_id].discard(room_nid)
        if room_nid in self._of_room:
            self._of_room[room_nid].discard(user_id)
            if not self._of_room[room_nid]:
                del self._of_room[room_nid]
        if membership == INVITE:
            self._due.setdefault(user_id, self._clock.now_ms() + self._delay_ms)

    async def _look(self, user_id: str) -> None:
        pushers = [pusher for pusher in await self._pushers.of(user_id) if pusher.kind == store.EMAIL]
        if not pushers:
            self._forget(user_id)
        for pusher in pushers:
            again = await self._tell(pusher)
            if again is not None:
                self._due[user_id] = min(self._due.get(user_id, again), again)

    def _forget(self, user_id: str) -> None:
        for room_nid in list(self._readers.get(user_id, ())):
            self._move(user_id, room_nid, 0)
        self._readers.pop(user_id, None)
        self._due.pop(user_id, None)

    async def _tell(self, pusher: PusherRow) -> int | None:
        """Write, if there is something to write of; when to look again before anything else happens."""
        missed = await self._missed.since(pusher.user_id, pusher.told_upto)
        if not missed:
            return None
        now_ms = self._clock.now_ms()
        mailed = await store.mailed_rooms(self._db, pusher.user_id, pusher.pushkey)
        until = [_silent_until(mailed.get(room.room_nid)) for room in missed]
        if min(until) > now_ms:
            return min(until)
        try:
            await self._send(pusher, missed, mailed, now_ms)
        except UnusableAddress as error:
            logger.warning("Nobody can be written to at an address of %s: %s", pusher.user_id, error)
            return None
        except MailFailed as error:
            logger.warning("A mail about missed messages was not sent: %s", error)
            return now_ms + RETRY_MS
        told = [(room.room_nid, _mailed(mailed.get(room.room_nid), now_ms)) for room in missed]
        async with self._db.write() as tx:
            await store.told(tx, pusher, max(room.stream_pos for room in missed), told)
        return None

    async def _send(
        self, pusher: PusherRow, missed: Sequence[MissedRoom], mailed: dict[int, MailedRoom], now_ms: int
    ) -> None:
        subject = subject_of(missed)
        line = self._mailer.subject(subject.kind, person=subject.person, room=subject.room)
        link = self._pushers.unsubscribe_link(pusher.user_id, pusher.pushkey)
        before = mailed.get(missed[0].room_nid)
        profile = await self._profiles.of(pusher.user_id)
        await self._mailer.send(
            pusher.pushkey,
            "notif_mail",
            {
                "user_display_name": profile.get("displayname") or pusher.user_id,
                "unsubscribe_link": link,
                "summary_text": line,
                "rooms": shown_rooms(missed, self._client_base_url),
                "reason": {
                    "room_id": missed[0].room_id,
                    "room_name": missed[0].name,
                    "now": now_ms,
                    "received_at": now_ms - self._delay_ms,
                    "delay_before_mail_ms": self._delay_ms,
                    "last_sent_ts": None if before is None else before.sent_ts,
                    "throttle_ms": None if before is None else before.silence_ms,
                },
            },
            subject=line,
            headers={"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
        )


def _silent_until(mailed: MailedRoom | None) -> int:
    return 0 if mailed is None else mailed.sent_ts + mailed.silence_ms


def _mailed(before: MailedRoom | None, now_ms: int) -> MailedRoom:
    """A room is told of now."""
    if before is None or now_ms - _silent_until(before) > RESET_MS:
        return MailedRoom(now_ms, FIRST_SILENCE_MS)
    return MailedRoom(now_ms, min(before.silence_ms * GROWTH, LONGEST_SILENCE_MS))
