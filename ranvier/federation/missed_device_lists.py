"""Tells changes of device lists to servers that were in a partially joined room without being known to be.

MSC3902: while a room is partially joined, changes go to the servers that were said to be in it and to those of the known
members. When it is full, every other server that was in it at any time since the join is told what it has missed.
"""

import asyncio
import logging

from ranvier.db.engine import Database, DatabaseError
from ranvier.federation.outgoing_device_lists import OutgoingDeviceLists
from ranvier.proto.ids import domain_of
from ranvier.rooms.hosts import Hosts
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.rooms import Rooms
from ranvier.store import announced_devices, member_changes

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
        self._tasks: set[asyncio.Task[None]] = set()

    def on_ended(self, partial: PartialRoom) -> None:
        """Rooms that have been left are nobody's concern any more."""
        if partial.room_nid in self._rooms.partials.full_since:
            task = asyncio.create_task(self._tell(partial), name="missed device lists")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tell(self, partial: PartialRoom) -> None:
        try:
            users = await self._changed(partial)
            missing = await self._not_told(partial) if users else set()
            for user_id in users if missing else ():
                await self._device_lists.tell_again(user_id, missing, told_upto=partial.device_lists_pos)
        except DatabaseError as error:
            logger.warning("Could not tell what changed during the join of %s: %s", partial.room_id, error)

    async def _changed(self, partial: PartialRoom) -> list[str]:
        """Our users in the room whose devices have changed since the join. Mostly one statement."""
        changed = await announced_devices.changed_after(self._db, partial.device_lists_pos)
        ours = {}
        for user_id in changed:
            if domain_of(user_id) == self._server_name:
                user_nid = await self._rooms.keys.find_user(self._db, user_id)
                if user_nid is not None:
                    ours[user_nid] = user_id
        inside = await member_changes.joined_among(self._db, [partial.room_nid], ours) if ours else []
        return [ours[user_nid] for _, user_nid in inside]

    async def _not_told(self, partial: PartialRoom) -> set[str]:
        """The servers that were in the room since the join and may not have been told."""
        room = await self._rooms.by_nid(partial.room_nid)
        (join,) = (await self._rooms.cache.by_id([partial.join_event_id])).values()
        servers = set(await self._hosts.of(room)) | await self._hosts.at(room, partial.full_state_no or 0)
        upto = self._rooms.partials.full_since.get(partial.room_nid, join.stream_pos)
        steps = await member_changes.of_rooms(self._db, [partial.room_nid], join.stream_pos, upto)
        moved = await self._rooms.keys.keys(self._db, {step.user_nid for step in steps})
        servers.update(domain_of(user_id) for _, user_id in moved.values())
        return servers - partial.servers - {self._server_name}
