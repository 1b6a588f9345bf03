"""`/_synapse/admin/v1/purge_history/*`: deleting old messages of a room. Manual: admin API, "Purge History API"."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.api.admin.paging import Time
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import bad_json
from ranvier.rooms.history_purges import HistoryPurges


class PurgeWish(msgspec.Struct):
    """Up to where, and whose."""

    delete_local_events: bool = False
    purge_up_to_event_id: str | None = None
    purge_up_to_ts: Time | None = None


class PurgeBegun(msgspec.Struct):
    """What to ask with."""

    purge_id: str


class PurgeStatus(msgspec.Struct):
    """How far it is."""

    status: Literal["active", "complete", "failed"]
    error: str | UnsetType = UNSET


class PurgeHistoryApi:
    """Deletes in the background."""

    def __init__(self, *, purges: HistoryPurges) -> None:
        self._purges = purges

    def routes(self) -> list[Route]:
        """The module's routes."""
        v1 = "/_synapse/admin/v1"
        return [
            *routes("POST", f"{v1}/purge_history/{{room_id}}", self.begin, auth=Auth.ADMIN, body=PurgeWish,
                answer=PurgeBegun, summary="Delete the messages of a room before an event, or before a moment"),
            *routes("POST", f"{v1}/purge_history/{{room_id}}/{{event_id}}", self.begin, auth=Auth.ADMIN,
                body=PurgeWish, answer=PurgeBegun, summary="The same, up to an event"),
            *routes("GET", f"{v1}/purge_history_status/{{purge_id}}", self.status, auth=Auth.ADMIN,
                answer=PurgeStatus, summary="How far deleting is"),
        ]  # fmt: skip

    async def begin(self, request: Request) -> Response:
        """An event in the path counts for more than one in the body, and that for more than a time."""
        room_id = request.params["room_id"]
        wish = request.json(PurgeWish) if request.content else PurgeWish()
        event_id = request.params.get("event_id", wish.purge_up_to_event_id)
        local_too = wish.delete_local_events
        if event_id is not None:
            purge_id = await self._purges.before_event(room_id, event_id, local_too=local_too)
        elif wish.purge_up_to_ts is not None:
            purge_id = await self._purges.before_ts(room_id, wish.purge_up_to_ts, local_too=local_too)
        else:
            raise bad_json("purge_up_to_event_id or purge_up_to_ts is needed")
        return json_response(PurgeBegun(purge_id))

    async def status(self, request: Request) -> Response:
        """404 for one that there is not, or no more."""
        task = await self._purges.status(request.params["purge_id"])
        status = "active" if task.status == "scheduled" else task.status
        return json_response(PurgeStatus(status, UNSET if task.error is None else task.error))
