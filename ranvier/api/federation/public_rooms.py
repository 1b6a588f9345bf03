"""Our published directory for other servers. Spec: server-server API, "Published Room Directory"."""

import msgspec

from ranvier.api.client.public_rooms import Directory, DirectorySearch, answer_page, search_of
from ranvier.http.request import Request
from ranvier.http.response import Response
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import forbidden
from ranvier.rooms.public_rooms import PublicRooms


class Part(msgspec.Struct):
    """Which part of the directory."""

    limit: int | None = None
    since: str | None = None
    include_all_networks: bool = False
    third_party_instance_id: str | None = None


class PublicRoomsApi:
    """Shows the directory; `is_shown` is what the configuration says."""

    def __init__(self, *, public_rooms: PublicRooms, is_shown: bool) -> None:
        self._public_rooms = public_rooms
        self._is_shown = is_shown

    def routes(self) -> list[Route]:
        """The module's routes."""
        at = "/_matrix/federation/v1/publicRooms"
        return [
            *routes(
                "GET", at, self.list, auth=Auth.FEDERATION, resource="federation", query=Part, answer=Directory,
                spec="getPublicRooms", summary="The published rooms",
            ),
            *routes(
                "POST", at, self.search, auth=Auth.FEDERATION, resource="federation", body=DirectorySearch,
                answer=Directory, spec="queryPublicRooms", summary="Search the published rooms",
            ),
        ]  # fmt: skip

    async def list(self, request: Request) -> Response:
        """A page of the directory."""
        part = request.query(Part)
        return await self._page(
            DirectorySearch(
                limit=part.limit,
                since=part.since,
                include_all_networks=part.include_all_networks,
                third_party_instance_id=part.third_party_instance_id,
            )
        )

    async def search(self, request: Request) -> Response:
        """A page of what the other server looks for."""
        return await self._page(request.json(DirectorySearch))

    async def _page(self, search: DirectorySearch) -> Response:
        if not self._is_shown:
            raise forbidden("This server does not show its room directory to other servers")
        return answer_page(await self._public_rooms.page(search_of(search), federated_only=True))
