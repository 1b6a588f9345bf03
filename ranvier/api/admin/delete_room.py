"""`DELETE /_synapse/admin/v1/rooms/{}` and v2, and how far that is. Manual: admin API, "Delete Room API"."""

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.api.admin.rooms import ROOM
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.rooms.delete_room import Outcome, RoomDeletion, Shutdown
from ranvier.store.scheduled_tasks import Status, Task


class ShownOutcome(msgspec.Struct):
    """Who was removed, and what became of the room's names."""

    kicked_users: list[str]
    failed_to_kick_users: list[str]
    local_aliases: list[str]
    new_room_id: str | None


class Begun(msgspec.Struct):
    """The id to ask with."""

    delete_id: str


class DeleteStatus(msgspec.Struct):
    """How far a deletion is."""

    delete_id: str
    room_id: str
    status: Status
    shutdown_room: ShownOutcome
    deleted_events: int
    error: str | UnsetType = UNSET


class DeleteStatuses(msgspec.Struct):
    """All deletions of a room."""

    results: list[DeleteStatus]


class DeleteRoomApi:
    """Deletes rooms."""

    def __init__(self, *, deletion: RoomDeletion) -> None:
        self._deletion = deletion

    def routes(self) -> list[Route]:
        """The module's routes."""
        v2 = "/_synapse/admin/v2/rooms"
        return [
            *routes("DELETE", ROOM, self.v1, auth=Auth.ADMIN, body=Shutdown, answer=ShownOutcome, cancel=False,
                summary="Let everybody leave a room, and delete it; answers when that is done"),
            *routes("DELETE", f"{v2}/{{room_id}}", self.v2, auth=Auth.ADMIN, body=Shutdown, answer=Begun,
                summary="The same in the background"),
            *routes("GET", f"{v2}/{{room_id}}/delete_status", self.of_room, auth=Auth.ADMIN, answer=DeleteStatuses,
                summary="How far the deletions of a room are"),
            *routes("GET", f"{v2}/delete_status/{{delete_id}}", self.one, auth=Auth.ADMIN, answer=DeleteStatus,
                summary="How far a deletion is"),
        ]  # fmt: skip

    async def v1(self, request: Request) -> Response:
        """Delete now."""
        wish = request.json(Shutdown) if request.content else Shutdown()
        outcome = await self._deletion.delete(request.requester.user_id, request.params["room_id"], wish)
        return json_response(_shown(outcome))

    async def v2(self, request: Request) -> Response:
        """Delete in the background."""
        wish = request.json(Shutdown) if request.content else Shutdown()
        delete_id = await self._deletion.begin(request.requester.user_id, request.params["room_id"], wish)
        return json_response(Begun(delete_id))

    async def of_room(self, request: Request) -> Response:
        """Every deletion of a room."""
        found = await self._deletion.of_room(request.params["room_id"])
        return json_response(DeleteStatuses([_status(task) for task in found]))

    async def one(self, request: Request) -> Response:
        """One deletion."""
        return json_response(_status(await self._deletion.one(request.params["delete_id"])))


def _shown(outcome: Outcome) -> ShownOutcome:
    return ShownOutcome(outcome.kicked_users, outcome.failed_to_kick_users, outcome.local_aliases, outcome.new_room_id)


def _status(task: Task) -> DeleteStatus:
    outcome = msgspec.convert(task.result or {}, Outcome)
    return DeleteStatus(
        delete_id=task.task_id,
        room_id=task.resource_id or "",
        status=task.status,
        shutdown_room=_shown(outcome),
        deleted_events=outcome.deleted_events,
        error=UNSET if task.error is None else task.error,
    )
