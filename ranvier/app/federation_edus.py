"""Builds what servers tell each other besides events: typing, receipts, presence, devices, messages to devices."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ranvier.app.e2ee import E2eeServices
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.db.engine import Database, Tx
from ranvier.e2ee.to_device import Messages
from ranvier.federation.ask_keys import KeyAsking
from ranvier.federation.edu_devices import EdusOfDevices
from ranvier.federation.edu_presence import PresenceElsewhere
from ranvier.federation.edu_rooms import EdusOfRooms
from ranvier.federation.edus import IncomingEdus
from ranvier.federation.missed_device_lists import MissedDeviceLists
from ranvier.federation.outbox import NAME as TO_DEVICE
from ranvier.federation.outbox import DeviceOutbox, DurableEdus
from ranvier.federation.outgoing_device_lists import NAME as DEVICE_LISTS
from ranvier.federation.outgoing_device_lists import OutgoingDeviceLists
from ranvier.federation.outgoing_presence import OutgoingPresence
from ranvier.federation.outgoing_receipts import OutgoingReceipts
from ranvier.federation.outgoing_typing import OutgoingTyping
from ranvier.federation.remote_devices import RemoteDevices
from ranvier.federation.resync_devices import DeviceResync
from ranvier.federation.sender import Sender
from ranvier.ports import Clock
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.whereabouts import Whereabouts


@dataclass(frozen=True, slots=True, kw_only=True)
class EduNeeds:
    """What they are built from."""

    db: Database
    clock: Clock
    config: Config
    rooms: RoomServices
    e2ee: E2eeServices
    hosts: Hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableSources:
    """What the sender takes from, besides events; built before it."""

    whereabouts: Whereabouts
    device_lists: OutgoingDeviceLists
    outbox: DeviceOutbox

    def by_name(self) -> Mapping[str, DurableEdus]:
        """As the sender wants them."""
        return {TO_DEVICE: self.outbox, DEVICE_LISTS: self.device_lists}


@dataclass(frozen=True, slots=True, kw_only=True)
class EduServices:
    """What takes EDUs in, and what has to run."""

    incoming: IncomingEdus
    device_lists: OutgoingDeviceLists
    devices: RemoteDevices
    missed: MissedDeviceLists
    presence: OutgoingPresence
    receipts: OutgoingReceipts
    resync: DeviceResync
    typing: OutgoingTyping

    @property
    def jobs(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What has to run, by name."""
        return {
            "outgoing typing": self.typing.run,
            "outgoing receipts": self.receipts.run,
            "outgoing presence": self.presence.run,
        }

    async def start(self) -> None:
        """Go on with what the last process left."""
        await self.resync.start()
        self.missed.start()

    async def stop(self) -> None:
        """Stop what is under way; what is not done is written down."""
        await self.resync.close()
        await self.devices.close()
        await self.missed.close()
        await self.device_lists.close()
        await self.typing.close()


def build_sources(needs: EduNeeds, outbox: DeviceOutbox) -> DurableSources:
    """`Hosts` must be listening to the appender already."""
    rooms = needs.rooms
    whereabouts = Whereabouts(rooms=rooms.rooms, hosts=needs.hosts, server_name=needs.config.server_name)
    device_lists = OutgoingDeviceLists(
        db=needs.db,
        clock=needs.clock,
        lists=needs.e2ee.device_lists,
        queries=needs.e2ee.queries,
        whereabouts=whereabouts,
        server_name=needs.config.server_name,
        shows_names=needs.config.federation.shows_device_names,
    )
    needs.e2ee.device_lists.on_changed.append(device_lists.on_changed)
    rooms.appender.listeners.append(whereabouts.on_commit)
    whereabouts.listeners.append(device_lists.on_commit)
    return DurableSources(whereabouts=whereabouts, device_lists=device_lists, outbox=outbox)


def build_edus(needs: EduNeeds, sources: DurableSources, sender: Sender, asking: KeyAsking) -> EduServices:
    """Every object, and the wires between them and what clients see. `asking` answers for users who are not known."""
    db, clock, rooms, e2ee = needs.db, needs.clock, needs.rooms, needs.e2ee
    server_name, ephemeral, whereabouts = needs.config.server_name, rooms.ephemeral, sources.whereabouts

    def event_pos() -> int:
        return rooms.appender.committed_pos

    async def keep(tx: Tx, user_id: str, type: str, messages: Messages) -> Callable[[], None]:
        destinations = await sources.outbox.put(tx, user_id, type, messages)
        return lambda: sender.wake(destinations, TO_DEVICE)

    e2ee.to_device.remote_steps.append(keep)
    sources.device_lists.wake = lambda destinations: sender.wake(destinations, DEVICE_LISTS)
    devices = RemoteDevices(
        db=db,
        keys=asking,
        lists=e2ee.device_lists,
        whereabouts=whereabouts,
        event_pos=event_pos,
        server_name=server_name,
    )
    e2ee.queries.remote = devices
    rooms.device_lists.rooms_elsewhere = whereabouts.of
    resync = DeviceResync(db=db, clock=clock, keys=asking, devices=devices, event_pos=event_pos)
    presence = OutgoingPresence(
        tracker=ephemeral.presence,
        whereabouts=whereabouts,
        rooms=rooms.rooms,
        sender=sender,
        clock=clock,
        config=needs.config.presence,
        server_name=server_name,
    )
    whereabouts.listeners += [devices.on_commit, presence.on_commit]
    missed = MissedDeviceLists(
        db=db, rooms=rooms.rooms, hosts=needs.hosts, device_lists=sources.device_lists, server_name=server_name
    )
    rooms.rooms.partials.on_ended.append(missed.on_ended)
    return EduServices(
        incoming=_incoming(needs, whereabouts, devices, resync),
        device_lists=sources.device_lists,
        devices=devices,
        missed=missed,
        presence=presence,
        receipts=OutgoingReceipts(
            writer=ephemeral.receipt_stream.writer,
            rooms=rooms.rooms,
            hosts=needs.hosts,
            sender=sender,
            clock=clock,
            server_name=server_name,
            per_room_per_second=needs.config.federation.receipts_per_room_per_second,
        ),
        resync=resync,
        typing=OutgoingTyping(
            typing=ephemeral.typing,
            hosts=needs.hosts,
            sender=sender,
            clock=clock,
            server_name=server_name,
        ),
    )


def _incoming(needs: EduNeeds, whereabouts: Whereabouts, devices: RemoteDevices, resync: DeviceResync) -> IncomingEdus:
    rooms, clock, ephemeral = needs.rooms, needs.clock, needs.rooms.ephemeral
    server_name = needs.config.server_name
    of_devices = EdusOfDevices(to_device=needs.e2ee.to_device, devices=devices, resync=resync, whereabouts=whereabouts)
    of_rooms = EdusOfRooms(
        rooms=rooms.rooms,
        typing=ephemeral.typing,
        receipts=ephemeral.receipts,
        clock=clock,
        server_name=server_name,
    )
    presence = PresenceElsewhere(
        tracker=ephemeral.presence,
        whereabouts=whereabouts,
        partials=rooms.rooms.partials,
        clock=clock,
        server_name=server_name,
    )
    ephemeral.presence_stream.elsewhere = presence
    whereabouts.listeners.append(presence.on_commit)
    return IncomingEdus(
        durable={
            "m.direct_to_device": of_devices.take_messages,
            "m.device_list_update": of_devices.take_updates,
            "m.signing_key_update": of_devices.take_keys,
            # COMPAT: the name before Matrix 1.1, which servers still send beside the other one.
            "org.matrix.signing_key_update": of_devices.take_keys,
        },
        passing={
            "m.typing": of_rooms.take_typing,
            "m.receipt": of_rooms.take_receipts,
            "m.presence": presence.take,
        },
    )
