"""Joining, knocking, inviting, leaving, kicking, banning, forgetting. Spec: client-server API, "Room membership"."""

from collections.abc import Sequence

import msgspec

from ranvier.api.client.membership_limits import MembershipLimits
from ranvier.federation.memberships import RoomMemberships
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.errors import bad_json, missing_param
from ranvier.rooms.invite_address import AddressInvite, AddressInvites
from ranvier.rooms.membership import Memberships
from ranvier.users.suspension import check_active


class Reason(msgspec.Struct):
    """A body that may give a reason."""

    reason: str | None = None


class Target(msgspec.Struct):
    """A body that names the user it is about."""

    user_id: str
    reason: str | None = None


class Invitation(msgspec.Struct):
    """The body of both forms of `/invite`: by user id, or by e-mail address and the like."""

    user_id: str | None = None
    reason: str | None = None
    id_server: str | None = None
    id_access_token: str | None = None
    medium: str | None = None
    address: str | None = None


class Via(msgspec.Struct):
    """Servers to go through, for rooms that this server is not in; `server_name` is the older name."""

    via: list[str] = []
    server_name: list[str] = []


class RoomJoined(msgspec.Struct):
    """The answer to joining and knocking."""

    room_id: str


class Done(msgspec.Struct):
    """The answer `{}`."""


class MembershipApi:
    """The endpoints that change who is in a room."""

    def __init__(
        self, *, memberships: RoomMemberships, local: Memberships, by_address: AddressInvites, limits: MembershipLimits
    ) -> None:
        """`local` is for what is only done in rooms that this server is in."""
        self._memberships = memberships
        self._local = local
        self._by_address = by_address
        self._limits = limits

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [*self._entry_routes(), *self._exit_routes(), *self._target_routes()]

    def _entry_routes(self) -> list[Route]:
        by_id = paths("/rooms/{room_id}/join")
        by_alias = paths("/join/{room_id_or_alias}")
        knock = paths("/knock/{room_id_or_alias}")
        return [
            *routes(
                "POST", by_id, self.join, auth=Auth.USER, guest=True, body=Reason, answer=RoomJoined,
                spec="joinRoomById", summary="Join a room",
            ),
            *routes(
                "POST", by_alias, self.join_by_alias, auth=Auth.USER, guest=True, body=Reason, query=Via,
                answer=RoomJoined, spec="joinRoom", summary="Join a room by its id or alias",
            ),
            *routes(
                "POST", knock, self.knock, auth=Auth.USER, body=Reason, query=Via, answer=RoomJoined,
                spec="knockRoom", summary="Ask to be let into a room",
            ),
        ]  # fmt: skip

    def _exit_routes(self) -> list[Route]:
        return [
            *routes(
                "POST", paths("/rooms/{room_id}/leave"), self.leave, auth=Auth.USER, guest=True, body=Reason,
                answer=Done, spec="leaveRoom", summary="Leave a room or turn down an invitation",
            ),
            *routes(
                "POST", paths("/rooms/{room_id}/forget"), self.forget, auth=Auth.USER, answer=Done,
                spec="forgetRoom", summary="Forget a room that was left",
            ),
        ]  # fmt: skip

    def _target_routes(self) -> list[Route]:
        invite = routes(
            "POST", paths("/rooms/{room_id}/invite"), self.invite, auth=Auth.USER, body=Invitation, answer=Done,
            spec="inviteUser", summary="Invite a user",
        )  # fmt: skip
        acts = [
            ("kick", self.kick, "Remove a user from a room"),
            ("ban", self.ban, "Ban a user from a room"),
            ("unban", self.unban, "Lift a ban"),
        ]
        return invite + [
            route
            for act, call, summary in acts
            for route in routes(
                "POST", paths(f"/rooms/{{room_id}}/{act}"), call, auth=Auth.USER, body=Target, answer=Done,
                spec=act, summary=summary,
            )
        ]  # fmt: skip

    async def join(self, request: Request) -> Response:
        """Join a room by its id."""
        return await self._join(request, request.params["room_id"])

    async def join_by_alias(self, request: Request) -> Response:
        """Join a room by its id or alias."""
        room_id, servers = await self._memberships.resolve(request.params["room_id_or_alias"])
        return await self._join(request, room_id, [*_via(request), *servers])

    async def _join(self, request: Request, room_id: str, via: Sequence[str] = ()) -> Response:
        reason = request.json(Reason).reason
        check_active(request.requester)
        self._limits.spend_join(request.requester, room_id)
        joined = await self._memberships.join(request.requester, room_id, reason=reason, via=via)
        return json_response(RoomJoined(joined))

    async def knock(self, request: Request) -> Response:
        """Ask to be let in."""
        reason = request.json(Reason).reason
        check_active(request.requester)
        room_id, servers = await self._memberships.resolve(request.params["room_id_or_alias"])
        via = [*_via(request), *servers]
        return json_response(
            RoomJoined(await self._memberships.knock(request.requester, room_id, reason=reason, via=via))
        )

    async def leave(self, request: Request) -> Response:
        """Leave, or turn down an invitation."""
        reason = request.json(Reason).reason
        await self._memberships.leave(request.requester, request.params["room_id"], reason=reason)
        return EMPTY_OBJECT

    async def forget(self, request: Request) -> Response:
        """Forget a room that was left."""
        await self._local.forget(request.requester, request.params["room_id"])
        return EMPTY_OBJECT

    async def invite(self, request: Request) -> Response:
        """Invite a user by their id, or somebody by an address that an identity server knows."""
        body = request.json(Invitation)
        check_active(request.requester)
        if body.user_id is None:
            if body.address is not None or body.medium is not None:
                self._limits.spend_third_party_invite(request.requester)
                await self._by_address.send(request.requester, request.params["room_id"], _address(body))
                return EMPTY_OBJECT
            raise bad_json("user_id: required")
        self._limits.spend_invite(request.requester, request.params["room_id"], body.user_id)
        await self._memberships.invite(request.requester, request.params["room_id"], body.user_id, reason=body.reason)
        return EMPTY_OBJECT

    async def kick(self, request: Request) -> Response:
        """Remove a user."""
        body = request.json(Target)
        check_active(request.requester)
        await self._local.kick(request.requester, request.params["room_id"], body.user_id, reason=body.reason)
        return EMPTY_OBJECT

    async def ban(self, request: Request) -> Response:
        """Ban a user."""
        body = request.json(Target)
        check_active(request.requester)
        await self._local.ban(request.requester, request.params["room_id"], body.user_id, reason=body.reason)
        return EMPTY_OBJECT

    async def unban(self, request: Request) -> Response:
        """Lift a ban."""
        body = request.json(Target)
        check_active(request.requester)
        await self._local.unban(request.requester, request.params["room_id"], body.user_id, reason=body.reason)
        return EMPTY_OBJECT


def _address(body: Invitation) -> AddressInvite:
    if body.id_server is None or body.id_access_token is None or body.medium is None or body.address is None:
        raise missing_param("id_server, id_access_token, medium and address are needed")
    return AddressInvite(
        id_server=body.id_server,
        id_access_token=body.id_access_token,
        medium=body.medium,
        address=body.address,
    )


def _via(request: Request) -> list[str]:
    named = request.query(Via)
    return [*named.via, *named.server_name]
