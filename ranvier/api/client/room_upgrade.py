"""`POST /rooms/{}/upgrade`. Spec: client-server API, "Room Upgrades"."""

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.rooms.upgrade import Upgrades
from ranvier.users.suspension import check_active


class UpgradeRequest(msgspec.Struct):
    """The room to be."""

    new_version: str
    additional_creators: list[str] = []


class Upgraded(msgspec.Struct):
    """The answer."""

    replacement_room: str


class RoomUpgradeApi:
    """Replaces rooms."""

    def __init__(self, *, upgrades: Upgrades) -> None:
        self._upgrades = upgrades

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "POST", paths("/rooms/{room_id}/upgrade"), self.upgrade, auth=Auth.USER, limit="rc_room_creation",
            body=UpgradeRequest, answer=Upgraded, spec="upgradeRoom", summary="Replace a room by one of another version",
        )  # fmt: skip

    async def upgrade(self, request: Request) -> Response:
        """Replace a room."""
        check_active(request.requester)
        wanted = request.json(UpgradeRequest)
        room_id = await self._upgrades.upgrade(
            request.requester, request.params["room_id"], wanted.new_version, wanted.additional_creators
        )
        return json_response(Upgraded(room_id))
