"""Tells changes of device lists to servers that were in a partially joined room without being known to be.

MSC3902: while a room is partially joined, changes go to the servers that were said to be in it and to those of the known
members. When it is full, every other server that was in it at any time since the join is told what it has missed. That this
is still to be done is written down with the room's becoming full, and struck out with what is to be sent.
"""

import asyncio
import logging

from ranvier.db.engine import Database, DatabaseError
from ranvier.federation.outgoing_device_lists import OutgoingDeviceLists
from ranvier.proto.ids import domain_of
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.rooms import Rooms
from ranvier.store import announced_devices, member_changes, partial_state
from ranvier.store.partial_state import MissedDevices

logger = logging.getLogger(__name__)


class MissedDeviceLists:
    """One a process. `on_ended` is a listener of `PartialRooms`."""

    def __init__(
        self, *, db: Database, rooms: Rooms, hosts: Hosts, device_lists: OutgoingDeviceLists, server_name: str
    ) -> None:
        self._db = db
        self._rooms = rooms
        self._hosts = hosts
        self._device_lists = device_lists
        self._server_name = server_name
        self._told_servers: dict[int, frozenset[str]] = {}
        """By room the servers that were told of changes meanwhile."""
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def start(self) -> None:
        """Go on with what the last process left."""
        self._look()

    def on_ended(self, partial: PartialRoom) -> None:
        """Rooms that have been left are nobody's concern any more."""
        if partial.room_nid in self._rooms.partials.full_since:
            self._told_servers[partial.room_nid] = partial.servers
            self._look()

    async def close(self) -> None:
        """Stop; what is left is found after a start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _look(self) -> None:
        self._again = True
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="missed device lists")

    async def _run(self) -> None:
        try:
            while self._again:
                self._again = False
                for one in await partial_state.missed_devices(self._db):
                    await self._tell(one)
        except DatabaseError as error:
            logger.warning("Could not tell what changed of devices during joins: %s", error)
        except Exception:
            logger.exception("Cannot tell what changed of devices during joins")
        finally:
            self._task = None

    async def _tell(self, missed: MissedDevices) -> None:
        users = await self._changed(missed)
        servers = await self._not_told(missed) if users else set[str]()
        if servers:
            await self._device_lists.tell_again(users, servers, told_upto=missed.device_lists_pos)
        async with self._db.write() as tx:
            saved = await self._device_lists.save_waiting(tx, users, servers)
            await partial_state.forget_missed_devices(tx, missed.room_nid)
        saved()
        self._told_servers.pop(missed.room_nid, None)

    async def _changed(self, missed: MissedDevices) -> list[str]:
        """Our users in the room whose devices have changed since the join. Mostly one statement."""
        changed = await announced_devices.changed_after(self._db, missed.device_lists_pos)
        ours = {}
        for user_id in changed:
            if domain_of(user_id) == self._server_name:
                user_nid = await self._rooms.keys.find_user(self._db, user_id)
                if user_nid is not None:
                    ours[user_nid] = user_id
        inside = await member_changes.joined_among(self._db, [missed.room_nid], ours) if ours else []
        return [ours[user_nid] for _, user_nid in inside]

    async def _not_told(self, missed: MissedDevices) -> set[str]:
        """The servers that were in the room since the join and may not have been told.

        After a restart nobody knows who was told meanwhile, and being told again does no harm.
        """
        room = await self._rooms.by_nid(missed.room_nid)
        (join,) = (await self._rooms.cache.by_id([missed.join_event_id])).values()
        servers = set(await self._hosts.of(room)) | await self._hosts.at(room, missed.full_state_no)
        steps = await member_changes.of_rooms(self._db, [missed.room_nid], join.stream_pos, missed.done_pos)
        moved = await self._rooms.keys.keys(self._db, {step.user_nid for step in steps})
        servers.update(domain_of(user_id) for _, user_id in moved.values())
        return servers - self._told_servers.get(missed.room_nid, frozenset()) - {self._server_name}
