"""Work that administrators have asked for and that is done in the background."""

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import msgspec

from ranvier.db.engine import Reader, Row, Tx

Status = Literal["scheduled", "active", "complete", "failed"]

_COLUMNS: Final = "task_id, action, status, ts, resource_id, params, result, error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One piece of work."""

    task_id: str
    action: str
    status: Status
    ts: int
    """When it was last touched."""
    resource_id: str | None = None
    params: dict[str, Any]
    result: dict[str, Any] | None = None
    error: str | None = None


def _task(row: Row) -> Task:
    return Task(
        task_id=row[0],
        action=row[1],
        status=cast(Status, row[2]),
        ts=row[3],
        resource_id=row[4],
        params=msgspec.json.decode(row[5], type=dict[str, Any]),
        result=None if row[6] is None else msgspec.json.decode(row[6], type=dict[str, Any]),
        error=row[7],
    )


async def save(tx: Tx, task: Task) -> None:
    """Write a task down as it is now; without a result, what it had before stays. One statement."""
    await tx.run(
        f"INSERT INTO scheduled_tasks ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        " ON CONFLICT (task_id) DO UPDATE SET status = excluded.status, ts = excluded.ts, error = excluded.error,"
        " result = COALESCE(excluded.result, scheduled_tasks.result)",
        task.task_id,
        task.action,
        task.status,
        task.ts,
        task.resource_id,
        msgspec.json.encode(task.params),
        None if task.result is None else msgspec.json.encode(task.result),
        None if task.error is None else task.error.replace("\0", "\ufffd"),
    )


async def one(db: Reader, task_id: str) -> Task | None:
    """One task."""
    row = await db.one(f"SELECT {_COLUMNS} FROM scheduled_tasks WHERE task_id = $1", task_id)
    return None if row is None else _task(row)


async def found(
    db: Reader,
    *,
    actions: list[str] | None = None,
    resource_id: str | None = None,
    statuses: list[str] | None = None,
    max_ts: int | None = None,
) -> list[Task]:
    """Tasks in the order in which they were last touched; `None`: whatever it is. One statement."""
    args: list[object] = []
    conditions = ["1 = 1"]
    for condition, arg in (
        ("action = ANY({})", actions),
        ("resource_id = {}", resource_id),
        ("status = ANY({})", statuses),
        ("ts <= {}", max_ts),
    ):
        if arg is not None:
            args.append(arg)
            conditions.append(condition.format(f"${len(args)}"))
    where = " AND ".join(conditions)
    rows = await db.all(f"SELECT {_COLUMNS} FROM scheduled_tasks WHERE {where} ORDER BY ts, task_id", *args)
    return [_task(row) for row in rows]


async def delete_finished(tx: Tx, before_ts: int) -> None:
    """Forget what was done or has failed before this time. One statement."""
    await tx.run("DELETE FROM scheduled_tasks WHERE status IN ('complete', 'failed') AND ts < $1", before_ts)
