"""What the server does by itself, beside requests, from its start to its end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Protocol

from ranvier.app.accounts import UserServices
from ranvier.app.admin import AdminServices
from ranvier.app.e2ee import E2eeServices
from ranvier.app.federation import FederationServices
from ranvier.app.guests import build_guest_removal
from ranvier.app.metrics import Metrics
from ranvier.app.rooms import RoomServices
from ranvier.app.user_directory import UserDirectoryServices

logger = logging.getLogger(__name__)

Job = tuple[str, Callable[[], Awaitable[None]]]
"""Its name, and what runs until it is cancelled."""


class Running(Protocol):
    """Something with a job."""

    async def run(self) -> None:
        """Until cancelled."""
        ...


def start_jobs(jobs: Iterable[Job]) -> list[asyncio.Task[None]]:
    """A task for each. One that ends by an error says so in the log, and the others go on."""
    return [asyncio.create_task(_watched(job), name=name) for name, job in jobs]


def own_jobs(
    *,
    users: UserServices,
    rooms: RoomServices,
    e2ee: E2eeServices,
    federation: FederationServices,
    admin: AdminServices,
    user_directory: UserDirectoryServices,
    departures: Running,
    metrics: Metrics | None,
) -> Iterator[Job]:
    """Those of every server."""
    yield "last seen", users.last_seen.run
    if users.stale_devices is not None:
        yield "stale devices", users.stale_devices.run
    if metrics is not None:
        yield "lag of the event loop", metrics.lag.run
    yield "departures", departures.run
    yield "guests", build_guest_removal(rooms).run
    yield "transactions", rooms.transactions.run
    yield "typing", rooms.ephemeral.typing.run
    yield "unread", rooms.ephemeral.unread_notes.run
    yield "presence", rooms.ephemeral.presence.run
    yield "inboxes", e2ee.inboxes.run
    yield "sender", federation.sender.run
    yield "health of servers", federation.health.run
    yield "ends of rooms", federation.tidying.run
    yield "resyncs", federation.resyncs.run
    yield "joins under way", federation.handshakes.joins_under_way.run
    yield from federation.edus.jobs.items()
    yield "tasks of administrators", admin.tasks.run
    yield "background updates", admin.updates.run
    yield "user directory", user_directory.index.run


def optional_jobs(*, validity: Running | None, missed_mail: Running | None, monthly: Running | None) -> Iterator[Job]:
    """Those that only some operators want."""
    for name, part in (("ends of accounts", validity), ("missed messages", missed_mail), ("monthly users", monthly)):
        if part is not None:
            yield name, part.run


async def _watched(job: Callable[[], Awaitable[None]]) -> None:
    """A job that is not meant to end: if it does, say so."""
    try:
        await job()
    except Exception:
        logger.exception("A background job of the server has failed")
