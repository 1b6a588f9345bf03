"""Shutting a room down for the users of this server, and deleting it. Manual: admin API, "Delete Room API".

Everybody of this server leaves, is brought into another room if there is to be one, and the room's aliases go there; then,
if it is wanted, nothing of the room is kept. Each step may be taken again, so it goes on after a restart.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import msgspec

from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, invalid_param, not_found
from ranvier.proto.ids import domain_of, is_user_id
from ranvier.rooms.blocked_rooms import BlockedRooms
from ranvier.rooms.create import RoomRequest
from ranvier.rooms.purge_room import RoomPurge
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer
from ranvier.store import aliases, room_purge
from ranvier.store import rooms as room_store
from ranvier.store.rooms import BAN, JOIN, LEAVE
from ranvier.store.scheduled_tasks import Task
from ranvier.users.administration import Administration
from ranvier.users.requester import Requester
from ranvier.users.scheduled_tasks import ScheduledTasks

logger = logging.getLogger(__name__)

DELETE_ROOM: Final = "shutdown_and_purge_room"
GRACE_S: Final = 1.0
"""For so long the room is there after everybody has left, for clients that listen to be told."""


class Shutdown(msgspec.Struct, kw_only=True):
    """What is to become of a room; the body of the request."""

    new_room_user_id: str | None = None
    """Who makes the room that users are brought to; `None`: there is none."""
    room_name: str = "Content Violation Notification"
    message: str = "Sharing illegal content on this server is not permitted and rooms in violation will be blocked."
    block: bool = False
    purge: bool = True
    force_purge: bool = False
    """Even if somebody could not leave."""


class Outcome(msgspec.Struct, kw_only=True):
    """What has been done so far."""

    kicked_users: list[str] = []
    failed_to_kick_users: list[str] = []
    local_aliases: list[str] = []
    new_room_id: str | None = None
    deleted_events: int = 0


class Members(Protocol):
    """Lets users of this server join and leave, wherever the room is."""

    async def join(self, requester: Requester, room_id: str) -> str:
        """Join."""
        ...

    async def leave(self, requester: Requester, room_id: str) -> None:
        """Leave, or reject an invitation."""
        ...


class RoomDeletion:
    """Deletes rooms, at once or in the background."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        writer: Writer,
        accounts: Administration,
        blocked: BlockedRooms,
        create: Callable[[Requester, RoomRequest], Awaitable[str]],
        members: Members,
        purge: RoomPurge,
        tasks: ScheduledTasks,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._writer = writer
        self._accounts = accounts
        self._blocked = blocked
        self._create = create
        self._members = members
        self._purge = purge
        self._tasks = tasks
        self._clock = clock
        tasks.define(DELETE_ROOM, self._work)

    async def delete(self, admin_id: str, room_id: str, wish: Shutdown) -> Outcome:
        """Delete a room now. Raises 400, and 404 for an unknown room that is not to be blocked either."""
        await self._check(room_id, wish)
        if wish.block:
            await self._blocked.block(room_id, admin_id)
        if await room_store.nid_of(self._rooms.db, room_id) is None:
            if not wish.block:
                raise not_found("Room not found")
            return Outcome()
        return await self._do(room_id, wish, Outcome(), told=None)

    async def begin(self, admin_id: str, room_id: str, wish: Shutdown) -> str:
        """Delete a room in the background; the id to ask with. Raises as `delete`, and 400 if that is under way."""
        await self._check(room_id, wish)
        if wish.block:
            await self._blocked.block(room_id, admin_id)
        elif await room_store.nid_of(self._rooms.db, room_id) is None:
            raise not_found("Room not found")
        under_way = await self._tasks.all(actions=[DELETE_ROOM], resource_id=room_id, statuses=["scheduled", "active"])
        if under_way:
            raise MatrixError(400, "M_UNKNOWN", "Purge already in progress")
        self._blocked.close(room_id)
        return await self._tasks.schedule(DELETE_ROOM, resource_id=room_id, params=msgspec.to_builtins(wish))

    async def of_room(self, room_id: str) -> list[Task]:
        """All deletions of a room, lately. Raises 404 if there are none."""
        found = await self._tasks.all(actions=[DELETE_ROOM], resource_id=room_id)
        if not found:
            raise not_found(f"No delete task for room_id '{room_id}' found")
        return found

    async def one(self, delete_id: str) -> Task:
        """One deletion. Raises 404."""
        task = await self._tasks.get(DELETE_ROOM, delete_id)
        if task is None:
            raise not_found(f"delete id '{delete_id}' not found")
        return task

    async def _check(self, room_id: str, wish: Shutdown) -> None:
        if not room_id.startswith("!") or "\0" in room_id:
            raise invalid_param(f"{room_id} is not a legal room ID")
        maker = wish.new_room_user_id
        if maker is not None:
            if not is_user_id(maker) or domain_of(maker) != self._writer.server_name:
                raise invalid_param("User must be our own: new_room_user_id")
            await self._accounts.get(maker)

    async def _work(self, task: Task) -> dict[str, Any]:
        outcome = msgspec.convert(task.result or {}, Outcome)

        async def told(outcome: Outcome) -> None:
            await self._tasks.progress(task, msgspec.to_builtins(outcome))

        done = await self._do(task.resource_id or "", msgspec.convert(task.params, Shutdown), outcome, told=told)
        result: dict[str, Any] = msgspec.to_builtins(done)
        return result

    async def _do(
        self, room_id: str, wish: Shutdown, outcome: Outcome, *, told: Callable[[Outcome], Awaitable[None]] | None
    ) -> Outcome:
        self._blocked.close(room_id)
        try:
            found = await room_store.nid_of(self._rooms.db, room_id)
            if found is not None:
                await self._shut_down(found[0], room_id, wish, outcome, told)
        finally:
            self._blocked.reopen(room_id)
        return outcome

    async def _shut_down(
        self,
        room_nid: int,
        room_id: str,
        wish: Shutdown,
        outcome: Outcome,
        told: Callable[[Outcome], Awaitable[None]] | None,
    ) -> None:
        if wish.new_room_user_id is not None and outcome.new_room_id is None:
            outcome.new_room_id = await self._make_room(wish.new_room_user_id, wish)
            if told is not None:
                await told(outcome)
        await self._empty(room_nid, room_id, outcome)
        await self._move_aliases(room_nid, outcome)
        if told is not None:
            await told(outcome)
        if wish.purge:
            if outcome.failed_to_kick_users and not wish.force_purge:
                raise MatrixError(400, "M_UNKNOWN", f"Users are still joined to {room_id}")
            await self._clock.sleep(GRACE_S if outcome.kicked_users else 0)
            outcome.deleted_events += await self._purge.purge(room_id)

    async def _make_room(self, user_id: str, wish: Shutdown) -> str:
        maker = Requester(user_id, None, None)
        request = RoomRequest(
            preset="public_chat", name=wish.room_name, power_level_content_override={"users_default": -10}
        )
        room_id = await self._create(maker, request)
        content = {"body": wish.message, "msgtype": "m.text"}
        await self._writer.write(room_id, [Draft(sender=user_id, type="m.room.message", content=content)])
        return room_id

    async def _empty(self, room_nid: int, room_id: str, outcome: Outcome) -> None:
        """Let everybody leave who is there, is invited or waits to be."""
        outcome.failed_to_kick_users = []
        for user_id, membership in (await room_purge.local_users(self._rooms.db, room_nid)).items():
            if membership in (LEAVE, BAN):
                continue
            try:
                await self._members.leave(Requester(user_id, None, None), room_id)
                if outcome.new_room_id is not None and membership == JOIN:
                    await self._members.join(Requester(user_id, None, None), outcome.new_room_id)
            except MatrixError as error:
                logger.warning("%s could not leave %s: %s", user_id, room_id, error)
                outcome.failed_to_kick_users.append(user_id)
            else:
                if user_id not in outcome.kicked_users:
                    outcome.kicked_users.append(user_id)

    async def _move_aliases(self, room_nid: int, outcome: Outcome) -> None:
        names = await aliases.of_room(self._rooms.db, room_nid)
        if names:
            outcome.local_aliases = list(dict.fromkeys([*outcome.local_aliases, *names]))
        if outcome.new_room_id is not None and names:
            new = await self._rooms.get(outcome.new_room_id)
            async with self._rooms.db.write() as tx:
                await aliases.move(tx, room_nid, new.room_nid)
