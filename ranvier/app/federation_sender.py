"""Builds what sends to other servers."""

from collections.abc import Collection
from dataclasses import dataclass

from ranvier.app.rooms import RoomServices
from ranvier.db.engine import Database
from ranvier.federation.deliver import Delivering, PutsTransactions
from ranvier.federation.event_destinations import EventDestinations
from ranvier.federation.health import ServerHealth
from ranvier.federation.outbox import NAME, DeviceOutbox, DurableEdus
from ranvier.federation.sender import Sender
from ranvier.federation.undelivered import UndeliveredEvents
from ranvier.ports import Clock, Random
from ranvier.rooms.hosts import Hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingServices:
    """The sender, and where messages for devices of others are kept."""

    sender: Sender
    outbox: DeviceOutbox


def build_sending(
    *,
    db: Database,
    clock: Clock,
    random: Random,
    server_name: str,
    allowed: Collection[str] | None,
    client: PutsTransactions,
    health: ServerHealth,
    hosts: Hosts,
    rooms: RoomServices,
) -> SendingServices:
    """The sender listens to the appender, behind `hosts`, which has to be a listener already.

    `sender.run` has to run; `sender.close` ends it.
    """
    destinations = EventDestinations(rooms=rooms.rooms, hosts=hosts, server_name=server_name, allowed=allowed)
    outbox = DeviceOutbox(db=db, clock=clock, random=random)
    sources: dict[str, DurableEdus] = {NAME: outbox}
    sender = Sender(
        db=db,
        clock=clock,
        health=health,
        delivering=Delivering(
            client=client,
            health=health,
            cache=rooms.cache,
            clock=clock,
            random=random,
            server_name=server_name,
            sources=sources,
        ),
        destinations=destinations,
        undelivered=UndeliveredEvents(db=db, cache=rooms.cache, destinations=destinations, clock=clock),
        committed_pos=rooms.appender.committed_pos,
        sources=sources,
    )
    rooms.appender.listeners.append(sender.on_commit)
    return SendingServices(sender=sender, outbox=outbox)
