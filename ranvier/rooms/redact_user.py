"""Redacting what a user has said, everywhere or in some rooms. Manual: admin API, "Redact all the events of a user".

Of the state only memberships of their own are redacted: the rest is the room's.
"""

from collections.abc import Sequence
from typing import Any, Final

from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, not_found
from ranvier.proto.ids import domain_of
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer
from ranvier.store import user_activity
from ranvier.store.events import FIRST_POS, StoredEvent, timeline_rows
from ranvier.store.scheduled_tasks import Task
from ranvier.users.scheduled_tasks import ScheduledTasks

REDACT_USER: Final = "redact_all_events"
PORTION: Final = 500
"""So many events of a room are looked at in one go."""
AFTER_ALL: Final = 1 << 62


class UserRedactions:
    """Redacts in the background."""

    def __init__(self, *, rooms: Rooms, writer: Writer, clock: Clock, tasks: ScheduledTasks) -> None:
        self._rooms = rooms
        self._writer = writer
        self._clock = clock
        self._tasks = tasks
        tasks.define(REDACT_USER, self._work)

    async def begin(
        self,
        user_id: str,
        *,
        room_ids: Sequence[str],
        admin_id: str,
        use_admin: bool,
        reason: str | None,
        limit: int,
        after_ts: int | None = None,
        before_ts: int | None = None,
    ) -> str:
        """Begin; the id to ask with. No rooms: all. `limit` of the user's last events in each room are redacted.

        They are redacted by the user if they are of this server, unless `use_admin`; else by the administrator.
        """
        is_ours = domain_of(user_id) == self._writer.server_name
        params = {
            "rooms": list(room_ids),
            "redactor": admin_id if use_admin or not is_ours else user_id,
            "reason": reason,
            "limit": limit,
            "after_ts": after_ts,
            "before_ts": before_ts,
        }
        return await self._tasks.schedule(REDACT_USER, resource_id=user_id, params=params)

    async def status(self, redact_id: str) -> Task:
        """How far it is. Raises 404 `M_NOT_FOUND`."""
        task = await self._tasks.get(REDACT_USER, redact_id)
        if task is None:
            raise not_found("redact id not found")
        return task

    async def _work(self, task: Task) -> dict[str, Any]:
        """What has been redacted before is left out, so a second beginning does no harm."""
        user_id = task.resource_id or ""
        failed: dict[str, str] = {}
        redacted = 0
        for room_id in task.params["rooms"] or await self._rooms_of(user_id):
            room = await self._rooms.find(room_id)
            for event in [] if room is None else await self._events_of(user_id, room.room_nid, task.params):
                try:
                    await self._redact(room_id, event, task.params)
                except MatrixError as error:
                    failed[event.event.event_id] = error.error
                else:
                    redacted += 1
        return {"failed_redactions": failed, "redacted": redacted}

    async def _rooms_of(self, user_id: str) -> list[str]:
        user_nid = await self._rooms.keys.find_user(self._rooms.db, user_id)
        return [] if user_nid is None else [one[1] for one in await user_activity.rooms_ever(self._rooms.db, user_nid)]

    async def _events_of(self, user_id: str, room_nid: int, params: dict[str, Any]) -> list[StoredEvent]:
        """The user's last events of a room that are to be redacted, the newest first."""
        found: list[StoredEvent] = []
        pos = AFTER_ALL
        after_ts, before_ts = params["after_ts"], params["before_ts"]
        while len(found) < params["limit"]:
            rows = await timeline_rows(
                self._rooms.db, room_nid, after=FIRST_POS, before=pos, limit=PORTION, backwards=True
            )
            for stored in await self._rooms.cache.from_rows(rows):
                at = stored.event.origin_server_ts
                is_wanted = (after_ts is None or at > after_ts) and (before_ts is None or at < before_ts)
                if is_wanted and _is_theirs(stored, user_id):
                    found.append(stored)
                pos = min(pos, stored.pos or pos)
            if len(rows) < PORTION:
                break
            await self._clock.sleep(0)  # Reading may not have let others go on.
        return found[: params["limit"]]

    async def _redact(self, room_id: str, target: StoredEvent, params: dict[str, Any]) -> None:
        room = await self._rooms.get(room_id)
        content: dict[str, Any] = {} if params["reason"] is None else {"reason": params["reason"]}
        if room.version.redacts_in_content:
            content["redacts"] = target.event.event_id
        draft = Draft(
            sender=params["redactor"], type="m.room.redaction", content=content, redacts=target.event.event_id
        )
        await self._writer.write(room_id, [draft])


def _is_theirs(stored: StoredEvent, user_id: str) -> bool:
    event = stored.event
    if event.sender != user_id or stored.redacted_by is not None or event.type == "m.room.redaction":
        return False
    return event.state_key is None or (event.type == "m.room.member" and event.state_key == user_id)
