"""`/_synapse/admin/v1/rooms/{room_id}/partial_state`: how far the join of a room has come of which not everything is known.

Of Ranvier alone; the list of all such rooms is at `/_synapse/admin/v1/partial_state_rooms`.
"""

from typing import Literal

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.ports import Clock
from ranvier.rooms.partial_rooms import PartialRoom
from ranvier.rooms.rooms import Rooms

Stage = Literal["full", "fetching", "waiting", "replaying"]


class PartialState(msgspec.Struct, omit_defaults=True):
    """How far a room is. Of a room of which everything is known: its id and its stage."""

    room_id: str
    stage: Stage
    """`waiting`: for the next attempt to fetch the full state."""
    joined_via: str | None = None
    join_event_id: str | None = None
    started_ts: int | None = None
    """Milliseconds since the Unix epoch, as all times."""
    servers_in_room: int = 0
    """How many servers were said to be in the room."""
    members_fetched: int = 0
    bytes_fetched: int = 0
    """Of the answer that tells the full state."""
    bytes_expected: int = 0
    """0: the other server has not said how long it is."""
    events: int = 0
    """How many events have partial state still."""
    events_replayed: int = 0
    residents_tried: list[str] = []  # msgspec copies it
    """The servers that have been asked, the last one last."""
    tries: int = 0
    """How many attempts have failed."""
    next_try_ts: int | None = None
    last_error: str | None = None


class PartialStates(msgspec.Struct):
    """Every room of which not everything is known, those first that have waited longest."""

    rooms: list[PartialState]


class PartialStateApi:
    """Reads what is in memory; no statement for rooms that are active."""

    def __init__(self, *, rooms: Rooms, clock: Clock) -> None:
        self._rooms = rooms
        self._clock = clock

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", "/_synapse/admin/v1/rooms/{room_id}/partial_state", self.get, auth=Auth.ADMIN,
                answer=PartialState, summary="How far the join of a room has come"),
            *routes("GET", "/_synapse/admin/v1/partial_state_rooms", self.every, auth=Auth.ADMIN,
                answer=PartialStates, summary="The rooms of which not everything is known yet"),
        ]  # fmt: skip

    async def get(self, request: Request) -> Response:
        """404 for a room that this server does not know."""
        room = await self._rooms.get(request.params["room_id"])
        partial = room.partial
        return json_response(PartialState(room.room_id, "full") if partial is None else self._told(partial))

    async def every(self, request: Request) -> Response:
        """All of them."""
        found = sorted(self._rooms.partials.every(), key=lambda partial: partial.started_ts)
        return json_response(PartialStates([self._told(partial) for partial in found]))

    def _told(self, partial: PartialRoom) -> PartialState:
        return PartialState(
            room_id=partial.room_id,
            stage=self._stage(partial),
            joined_via=partial.joined_via,
            join_event_id=partial.join_event_id,
            started_ts=partial.started_ts,
            servers_in_room=len(partial.servers),
            members_fetched=partial.members,
            bytes_fetched=partial.fetched_bytes,
            bytes_expected=partial.expected_bytes,
            events=len(partial.events),
            events_replayed=partial.replayed,
            residents_tried=list(dict.fromkeys(partial.asked)),
            tries=partial.tries,
            next_try_ts=partial.next_try_ms or None,
            last_error=partial.last_error,
        )

    def _stage(self, partial: PartialRoom) -> Stage:
        if partial.next_try_ms > self._clock.now_ms():
            return "waiting"
        return "fetching" if partial.full_state_no is None else "replaying"
