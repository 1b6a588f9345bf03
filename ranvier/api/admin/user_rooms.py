"""What a user does and keeps: rooms, account data, pushers, counts. Manual: admin API, "User Admin API"."""

from typing import Any, Final

import msgspec
import orjson

from ranvier.api.admin.paging import Time
from ranvier.api.client.pushers import shown_pusher
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import invalid_param
from ranvier.proto.ids import is_user_id
from ranvier.rooms.user_activity import UserActivity
from ranvier.users.administration import Administration
from ranvier.users.pushers import Pushers as PushersOfUsers

USER: Final = "/_synapse/admin/v1/users/{user_id}"


class JoinedRooms(msgspec.Struct):
    """Where the user is."""

    joined_rooms: list[str]
    total: int


class Memberships(msgspec.Struct):
    """By room."""

    memberships: dict[str, str]


class KeptData(msgspec.Struct):
    """What clients keep for the user, by type."""

    global_: dict[str, dict[str, Any]] = msgspec.field(name="global")
    rooms: dict[str, dict[str, dict[str, Any]]]


class AccountDataAnswer(msgspec.Struct):
    """All of it."""

    account_data: KeptData


class Pushers(msgspec.Struct):
    """Who is told of notifications."""

    pushers: list[dict[str, Any]]
    total: int


class Since(msgspec.Struct):
    """From when on."""

    from_ts: Time


class InviteCount(msgspec.Struct):
    """How many."""

    invite_count: int


class JoinCount(msgspec.Struct):
    """How many."""

    cumulative_joined_room_count: int


class UserRoomsApi:
    """Looks at what users do."""

    def __init__(self, *, administration: Administration, activity: UserActivity, pushers: PushersOfUsers) -> None:
        self._pushers = pushers
        self._administration = administration
        self._activity = activity

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", f"{USER}/joined_rooms", self.joined_rooms, auth=Auth.ADMIN, answer=JoinedRooms,
                summary="The rooms that a user of any server is in, as far as known"),
            *routes("GET", f"{USER}/memberships", self.memberships, auth=Auth.ADMIN, answer=Memberships,
                summary="A user's membership of every room they have to do with"),
            *routes("GET", f"{USER}/accountdata", self.account_data, auth=Auth.ADMIN, answer=AccountDataAnswer,
                summary="What clients keep for a user"),
            *routes("GET", f"{USER}/pushers", self.pushers, auth=Auth.ADMIN, answer=Pushers,
                summary="Who is told of a user's notifications"),
            *routes("GET", f"{USER}/sent_invite_count", self.sent_invite_count, auth=Auth.ADMIN, query=Since,
                answer=InviteCount, summary="How many invitations a user has sent"),
            *routes("GET", f"{USER}/cumulative_joined_room_count", self.joined_room_count, auth=Auth.ADMIN,
                query=Since, answer=JoinCount, summary="How many rooms a user has joined"),
        ]  # fmt: skip

    async def joined_rooms(self, request: Request) -> Response:
        """Of users of other servers: those rooms that we are in too."""
        user_id = request.params["user_id"]
        if not is_user_id(user_id):
            raise invalid_param("Not a user id")
        found = await self._activity.joined_rooms(user_id)
        return json_response(JoinedRooms(found, len(found)))

    async def memberships(self, request: Request) -> Response:
        """404 if there is no such account."""
        return json_response(Memberships(await self._activity.memberships(await self._user(request))))

    async def account_data(self, request: Request) -> Response:
        """404 if there is no such account."""
        everywhere, by_room = await self._activity.account_data(await self._user(request))
        kept = {
            "global": {type_: orjson.Fragment(content) for type_, content in everywhere.items()},
            "rooms": {
                room_id: {type_: orjson.Fragment(content) for type_, content in data.items()}
                for room_id, data in by_room.items()
            },
        }
        return json_response({"account_data": kept})

    async def pushers(self, request: Request) -> Response:
        """404 if there is no such account."""
        found = [shown_pusher(row) for row in await self._pushers.of(await self._user(request))]
        return json_response(Pushers(found, len(found)))

    async def sent_invite_count(self, request: Request) -> Response:
        """404 if there is no such account."""
        query, user_id = request.query(Since), await self._user(request)
        return json_response(InviteCount(await self._activity.invites_since(user_id, query.from_ts)))

    async def joined_room_count(self, request: Request) -> Response:
        """404 if there is no such account."""
        query, user_id = request.query(Since), await self._user(request)
        return json_response(JoinCount(await self._activity.joined_since(user_id, query.from_ts)))

    async def _user(self, request: Request) -> str:
        user = await self._administration.get(request.params["user_id"])
        return user.user_id
