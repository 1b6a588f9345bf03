"""`/_synapse/admin/v1/background_updates`. Manual: admin API, "Background Updates API"."""

from typing import Final

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Nothing, Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.users.background_updates import BackgroundUpdates

UPDATES: Final = "/_synapse/admin/v1/background_updates"
DATABASE: Final = "master"
"""What tools know the only database as."""


class Current(msgspec.Struct):
    """What is under way."""

    name: str
    total_item_count: int
    total_duration_ms: float
    average_items_per_ms: float


class Status(msgspec.Struct):
    """Of each database at most one."""

    enabled: bool
    current_updates: dict[str, Current]


class Enabled(msgspec.Struct):
    """Whether anything may be done."""

    enabled: bool


class Job(msgspec.Struct):
    """Which one."""

    job_name: str


class BackgroundUpdatesApi:
    """Shows, pauses and starts updates."""

    def __init__(self, *, updates: BackgroundUpdates) -> None:
        self._updates = updates

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", f"{UPDATES}/status", self.status, auth=Auth.ADMIN, answer=Status,
                summary="What is being rebuilt in the background"),
            *routes("GET", f"{UPDATES}/enabled", self.enabled, auth=Auth.ADMIN, answer=Enabled,
                summary="Whether background updates go on"),
            *routes("POST", f"{UPDATES}/enabled", self.enable, auth=Auth.ADMIN, body=Enabled, answer=Enabled,
                summary="Pause background updates, or let them go on"),
            *routes("POST", f"{UPDATES}/start_job", self.start_job, auth=Auth.ADMIN, body=Job, answer=Nothing,
                summary="Rebuild something"),
        ]  # fmt: skip

    async def status(self, request: Request) -> Response:
        """Nothing is under way most of the time."""
        running = self._updates.running
        current = {}
        if running is not None:
            average = running.items / running.duration_ms if running.duration_ms else 0.0
            current[DATABASE] = Current(running.name, running.items, running.duration_ms, average)
        return json_response(Status(self._updates.enabled, current))

    async def enabled(self, request: Request) -> Response:
        """See `enable`."""
        return json_response(Enabled(self._updates.enabled))

    async def enable(self, request: Request) -> Response:
        """Until the next start."""
        wanted = request.json(Enabled)
        self._updates.enable(enabled=wanted.enabled)
        return json_response(Enabled(self._updates.enabled))

    async def start_job(self, request: Request) -> Response:
        """400 for an unknown one, or one that is under way."""
        await self._updates.start_job(request.json(Job).job_name)
        return EMPTY_OBJECT
