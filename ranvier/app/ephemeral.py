"""Builds what rooms have besides events: receipts, typing, presence, and what is unread."""

from collections.abc import Mapping
from dataclasses import dataclass

from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.ports import Clock
from ranvier.ratelimit import RateLimiter
from ranvier.rooms.append import Appender
from ranvier.rooms.notifying import Notifying
from ranvier.rooms.receipt_writer import ReceiptWriter
from ranvier.rooms.receipts import Receipts
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.threads import Threads
from ranvier.rooms.typing import Typing
from ranvier.sync.default_outcomes import DefaultOutcomes
from ranvier.sync.feed import Feeds
from ranvier.sync.presence_stream import PresenceStream
from ranvier.sync.receipt_stream import ReceiptStream
from ranvier.sync.timeline import Timelines
from ranvier.sync.typing_stream import TypingStream
from ranvier.sync.unread import Unread
from ranvier.sync.unread_notes import UnreadNotes
from ranvier.users.account_data import AccountData
from ranvier.users.ignored_users import IgnoredUsers
from ranvier.users.presence import PresenceTracker
from ranvier.users.push_rules import PushRules


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemeralServices:
    """What others are built with, and what has to run."""

    notifying: Notifying
    outcomes: DefaultOutcomes
    presence: PresenceTracker
    presence_stream: PresenceStream
    receipts: Receipts
    receipt_stream: ReceiptStream
    typing: Typing
    typing_stream: TypingStream
    unread: Unread
    unread_notes: UnreadNotes


async def build_ephemeral(
    *,
    db: Database,
    clock: Clock,
    config: Config,
    rooms: Rooms,
    appender: Appender,
    feeds: Feeds,
    timelines: Timelines,
    account_data: AccountData,
    push_rules: PushRules,
    ignored_users: IgnoredUsers,
    limiters: Mapping[str, RateLimiter],
) -> EphemeralServices:
    """Every object about what is not an event. The feeds must be listening to the appender already."""
    threads = Threads(rooms=rooms)
    writer = await ReceiptWriter.load(db)
    receipts = Receipts(rooms=rooms, threads=threads, writer=writer, clock=clock)
    notifying = Notifying(rooms=rooms, threads=threads, push_rules=push_rules, ignored_users=ignored_users)
    notes = UnreadNotes(db=db, clock=clock)
    outcomes = DefaultOutcomes(notifying=notifying)
    appender.listeners.append(outcomes.on_commit)
    unread = Unread(
        rooms=rooms,
        feeds=feeds,
        timelines=timelines,
        notifying=notifying,
        outcomes=outcomes,
        receipts=receipts,
        notes=notes,
    )
    account_data.listeners.append(unread.on_account_data)
    # What is read is not unread any more when those who follow the room are woken.
    writer.listeners.append(unread.on_receipts)
    typing = Typing(rooms=rooms, clock=clock)
    presence = PresenceTracker(clock=clock, config=config.presence, changes=limiters["rc_presence.per_user"])
    presence_stream = PresenceStream(tracker=presence, feeds=feeds, clock=clock, config=config.presence)
    appender.listeners += [typing.on_commit, presence_stream.on_commit]
    return EphemeralServices(
        notifying=notifying,
        outcomes=outcomes,
        presence=presence,
        presence_stream=presence_stream,
        receipts=receipts,
        receipt_stream=ReceiptStream(db=db, receipts=receipts, writer=writer, feeds=feeds),
        typing=typing,
        typing_stream=TypingStream(typing=typing, feeds=feeds),
        unread=unread,
        unread_notes=notes,
    )
