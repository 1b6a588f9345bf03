"""Builds what lets things be forgotten when their time is over."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ranvier.app.accounts import UserServices
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.ports import Clock
from ranvier.rooms.forgotten_rooms import ForgottenRooms
from ranvier.rooms.redaction_pruning import RedactionPruning
from ranvier.rooms.retention import MessageRetention
from ranvier.users.old_addresses import OldAddresses
from ranvier.users.scheduled_tasks import ScheduledTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionServices:
    """Each is `None` where the configuration wants that kept for ever."""

    messages: MessageRetention | None
    redactions: RedactionPruning | None
    forgotten: ForgottenRooms | None
    addresses: OldAddresses | None
    jobs: list[tuple[str, Callable[[], Awaitable[None]]]]
    """What has to run, by name."""


def build_retention(
    *, config: Config, clock: Clock, users: UserServices, rooms: RoomServices, tasks: ScheduledTasks
) -> RetentionServices:
    """Every object for that."""
    db, lifetimes = rooms.rooms.db, rooms.rooms.purged.lifetimes
    jobs: list[tuple[str, Callable[[], Awaitable[None]]]] = []
    messages = redactions = forgotten = addresses = None
    if config.retention is not None and lifetimes is not None:
        messages = MessageRetention(rooms=rooms.rooms, lifetimes=lifetimes, purge=rooms.purge_history, clock=clock)
        jobs += [("old messages", run) for run in messages.runs(config.retention.jobs)]
    if config.redaction_retention_period_ms is not None:
        redactions = RedactionPruning(rooms=rooms.rooms, clock=clock, after_ms=config.redaction_retention_period_ms)
        jobs.append(("redactions", redactions.run))
    if config.forgotten_room_retention_period_ms is not None:
        forgotten = ForgottenRooms(db=db, clock=clock, tasks=tasks, after_ms=config.forgotten_room_retention_period_ms)
        jobs.append(("forgotten rooms", forgotten.run))
    if config.user_ips_max_age_ms is not None:
        addresses = OldAddresses(db=db, clock=clock, last_seen=users.last_seen, after_ms=config.user_ips_max_age_ms)
        jobs.append(("old addresses", addresses.run))
    return RetentionServices(
        messages=messages, redactions=redactions, forgotten=forgotten, addresses=addresses, jobs=jobs
    )
