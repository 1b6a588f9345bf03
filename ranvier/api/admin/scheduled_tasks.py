"""`/_synapse/admin/v1/scheduled_tasks`: what is done in the background. Manual: admin API, "Show scheduled tasks"."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ranvier.api.admin.paging import Time
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, routes
from ranvier.store.scheduled_tasks import Status
from ranvier.users.scheduled_tasks import ScheduledTasks


class TaskQuery(msgspec.Struct):
    """Which tasks."""

    action_name: str | None = None
    resource_id: str | None = None
    status: list[Status] = []  # msgspec copies it; old tools name it job_status
    job_status: list[Status] = []  # msgspec copies it
    max_timestamp: Time | None = None


class ShownTask(msgspec.Struct):
    """One task."""

    id: str
    action: str
    status: Status
    timestamp_ms: int
    resource_id: str | UnsetType = UNSET
    result: dict[str, Any] | UnsetType = UNSET
    error: str | UnsetType = UNSET


class TaskList(msgspec.Struct):
    """All that are as asked for."""

    scheduled_tasks: list[ShownTask]


class ScheduledTasksApi:
    """Lists tasks."""

    def __init__(self, *, tasks: ScheduledTasks) -> None:
        self._tasks = tasks

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", "/_synapse/admin/v1/scheduled_tasks", self.list, auth=Auth.ADMIN, query=TaskQuery,
                answer=TaskList, summary="What is done in the background"),
        ]  # fmt: skip

    async def list(self, request: Request) -> Response:
        """All of the last week."""
        query = request.query(TaskQuery)
        statuses: list[str] = [*query.status, *query.job_status]
        found = await self._tasks.all(
            actions=None if query.action_name is None else [query.action_name],
            resource_id=query.resource_id,
            statuses=statuses or None,
            max_ts=query.max_timestamp,
        )
        return json_response(
            TaskList(
                [
                    ShownTask(
                        id=task.task_id,
                        action=task.action,
                        status=task.status,
                        timestamp_ms=task.ts,
                        resource_id=UNSET if task.resource_id is None else task.resource_id,
                        result=UNSET if task.result is None else task.result,
                        error=UNSET if task.error is None else task.error,
                    )
                    for task in found
                ]
            )
        )
