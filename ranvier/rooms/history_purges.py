"""Deleting a room's history because an administrator asks for it, in the background. Manual: "Purge History API"."""

from typing import Any, Final

from ranvier.proto.errors import MatrixError, not_found
from ranvier.rooms.history import event_not_found
from ranvier.rooms.purge_history import Doomed, HistoryPurge
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import FIRST_POS, timeline_rows
from ranvier.store.scheduled_tasks import Task
from ranvier.users.scheduled_tasks import ScheduledTasks

PURGE_HISTORY: Final = "purge_history"


class HistoryPurges:
    """Begins purges, and says how far they are."""

    def __init__(self, *, rooms: Rooms, purge: HistoryPurge, tasks: ScheduledTasks) -> None:
        self._rooms = rooms
        self._purge = purge
        self._tasks = tasks
        tasks.define(PURGE_HISTORY, self._work)

    async def before_event(self, room_id: str, event_id: str, *, local_too: bool) -> str:
        """Delete the messages before an event; the id to ask with. Raises 400, 404."""
        room = await self._room(room_id)
        stored = (await self._rooms.cache.by_id([event_id])).get(event_id)
        if stored is None:
            raise event_not_found()
        if stored.room_nid != room.room_nid or stored.pos is None:
            raise MatrixError(400, "M_UNKNOWN", "The event is not in the timeline of this room")
        return await self._begin(room, {"before": stored.pos, "older_than_ts": None, "local_too": local_too})

    async def before_ts(self, room_id: str, ts: int, *, local_too: bool) -> str:
        """Delete the messages sent before a moment; the id to ask with. Raises 400, and 404 if there is nothing before."""
        room = await self._room(room_id)
        rows = await timeline_rows(
            self._rooms.db, room.room_nid, after=FIRST_POS, before=room.last_pos + 1, limit=1, backwards=False
        )
        first = await self._rooms.cache.from_rows(rows)
        if not first or first[0].event.origin_server_ts >= ts:
            raise not_found("There is no event to be purged")
        return await self._begin(room, {"before": room.last_pos, "older_than_ts": ts, "local_too": local_too})

    async def status(self, purge_id: str) -> Task:
        """How far a purge is. Raises 404."""
        task = await self._tasks.get(PURGE_HISTORY, purge_id)
        if task is None:
            raise not_found(f"purge id '{purge_id}' not found")
        return task

    async def _room(self, room_id: str) -> Room:
        room = await self._rooms.find(room_id)
        if room is None or not room.has_head:
            raise not_found("Room not found")
        if room.partial is not None:
            raise MatrixError(400, "M_UNKNOWN", "Not everything is known of this room yet; try again later")
        return room

    async def _begin(self, room: Room, params: dict[str, Any]) -> str:
        under_way = await self._tasks.all(
            actions=[PURGE_HISTORY], resource_id=room.room_id, statuses=["scheduled", "active"]
        )
        if under_way:
            raise MatrixError(400, "M_UNKNOWN", f"History purge already in progress for {room.room_id}")
        return await self._tasks.schedule(PURGE_HISTORY, resource_id=room.room_id, params=params)

    async def _work(self, task: Task) -> dict[str, Any]:
        return {"deleted_events": await self._purge.purge(task.resource_id or "", Doomed(**task.params))}
