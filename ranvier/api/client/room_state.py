"""Reading and setting a room's state, and listing its members.

Spec: client-server API, "Getting events for a room", "Sending events to a room".
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ranvier.api.client.membership_limits import MembershipLimits
from ranvier.api.client.room_send import EventSent
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.client_events import client_event
from ranvier.rooms.read_state import StateReading
from ranvier.rooms.send import Sending
from ranvier.rooms.serve import Serving
from ranvier.rooms.timeline_token import timeline_pos
from ranvier.store.events import StoredEvent
from ranvier.users.requester import Requester
from ranvier.users.suspension import check_active

MembershipName = Literal["join", "invite", "knock", "leave", "ban"]


class StateFormat(msgspec.Struct):
    """What of a state event is wanted."""

    format: Literal["content", "event"] = "content"


class MembersQuery(msgspec.Struct):
    """Which members are wanted, and when."""

    at: str | None = None
    membership: MembershipName | None = None
    not_membership: MembershipName | None = None


class Members(msgspec.Struct):
    """The member events of a room."""

    chunk: list[dict[str, Any]]


class Profile(msgspec.Struct, omit_defaults=True):
    """What a joined member is called."""

    display_name: str | None = None
    avatar_url: str | None = None


class JoinedMembers(msgspec.Struct):
    """The joined members of a room."""

    joined: dict[str, Profile]


class RoomStateApi:
    """The endpoints on a room's state."""

    def __init__(self, *, reading: StateReading, sending: Sending, serving: Serving, limits: MembershipLimits) -> None:
        self._reading = reading
        self._sending = sending
        self._serving = serving
        self._limits = limits

    def routes(self) -> list[Route]:
        """The module's routes. The empty state key is written in three ways."""
        keyless = paths("/rooms/{room_id}/state/{event_type}") + paths("/rooms/{room_id}/state/{event_type}/")
        keyed = keyless + paths("/rooms/{room_id}/state/{event_type}/{state_key}")
        return [
            *routes(
                "GET", keyed, self.get_entry, auth=Auth.USER, guest=True, query=StateFormat, answer=dict[str, Any],
                spec="getRoomStateWithKey", summary="One state entry",
            ),
            *routes(
                "PUT", keyed, self.put_entry, auth=Auth.USER, guest=True, limit="rc_message", body=dict[str, Any],
                answer=EventSent, spec="setRoomStateWithKey", summary="Set a state entry",
            ),
            *routes(
                "GET", paths("/rooms/{room_id}/state"), self.get_state, auth=Auth.USER, guest=True,
                answer=list[dict[str, Any]], spec="getRoomState", summary="The whole state",
            ),
            *routes(
                "GET", paths("/rooms/{room_id}/members"), self.members, auth=Auth.USER, guest=True,
                query=MembersQuery, answer=Members, spec="getMembersByRoom", summary="Member events",
            ),
            *routes(
                "GET", paths("/rooms/{room_id}/joined_members"), self.joined_members, auth=Auth.USER,
                answer=JoinedMembers, spec="getJoinedMembersByRoom", summary="Who is in the room",
            ),
        ]  # fmt: skip

    async def get_entry(self, request: Request) -> Response:
        """The content of a state entry, or the whole event."""
        wanted = request.query(StateFormat).format
        key = (request.params["event_type"], request.params.get("state_key", ""))
        stored = await self._reading.entry(request.requester, request.params["room_id"], key)
        if wanted == "content":
            return json_response(stored.event.content)
        (event,) = await self._serve([stored], request.requester)
        return json_bytes(event)

    async def put_entry(self, request: Request) -> Response:
        """Set a state entry."""
        params, content, requester = request.params, request.json_object(), request.requester
        room_id, event_type, state_key = params["room_id"], params["event_type"], params.get("state_key", "")
        if requester.suspended and not _is_leave(requester, event_type, state_key, content):
            check_active(requester)
        if event_type == "m.room.member":
            self._limits.spend_change(requester, room_id, state_key, content.get("membership"))
        event_id = await self._sending.send_state(requester, room_id, event_type, state_key, content)
        return json_response(EventSent(event_id))

    async def get_state(self, request: Request) -> Response:
        """Every state event."""
        found = await self._reading.state(request.requester, request.params["room_id"])
        return json_bytes(await self._array(found, request.requester))

    async def members(self, request: Request) -> Response:
        """Member events, now or at an earlier moment."""
        query = request.query(MembersQuery)
        requester, room_id = request.requester, request.params["room_id"]
        if query.at is None:
            present = await self._reading.present_members(
                requester, room_id, membership=query.membership, not_membership=query.not_membership
            )
            if present is not None:
                return json_bytes(b'{"chunk":[%b]}' % b",".join(present))
        found = await self._reading.members(
            requester,
            room_id,
            membership=query.membership,
            not_membership=query.not_membership,
            at=None if query.at is None else timeline_pos(query.at, name="at"),
        )
        return json_bytes(b'{"chunk":' + await self._array(found, requester) + b"}")

    async def joined_members(self, request: Request) -> Response:
        """The profiles of the joined members."""
        joined = await self._reading.joined_members(request.requester, request.params["room_id"])
        return json_response({"joined": joined})

    async def _serve(self, events: Sequence[StoredEvent], asker: Requester) -> list[bytes]:
        return await self._serving.serve(events, user_id=asker.user_id, device_id=asker.device_id, room_id=True)

    async def _array(self, found: Sequence[StoredEvent], asker: Requester) -> bytes:
        """A JSON array of many events.

        Only redacted ones get an `unsigned`, to say so: what the others replaced would have to be read for each.
        """
        redacted = [stored for stored in found if stored.redacted_by is not None]
        served: dict[int, bytes] = {}
        if redacted:
            nids = [stored.event_nid for stored in redacted]
            served = dict(zip(nids, await self._serve(redacted, asker), strict=True))
        events = [served.get(stored.event_nid) or client_event(stored.event, room_id=True) for stored in found]
        return b"[" + b",".join(events) + b"]"


def _is_leave(requester: Requester, event_type: str, state_key: str, content: Mapping[str, Any]) -> bool:
    """Whether a user takes leave of the room by writing their own member event."""
    return event_type == "m.room.member" and state_key == requester.user_id and content.get("membership") == "leave"
