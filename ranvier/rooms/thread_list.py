"""The threads of a room.

Spec: client-server API, "Querying threads in a room".
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from ranvier.proto.redaction import redact_event
from ranvier.proto.relations import relation_of
from ranvier.rooms.aggregations import Aggregations, bundle_of, participants, shown_children
from ranvier.rooms.children import Groups
from ranvier.rooms.history import History, Viewer
from ranvier.rooms.messages import Messages
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.timeline_scan import BATCH, LIMIT, SCANNED
from ranvier.rooms.timeline_token import timeline_token
from ranvier.store import relations as store
from ranvier.store.events import StoredEvent
from ranvier.users.ignored_users import IgnoredUsers
from ranvier.users.requester import Requester

_END = 1 << 62
"""Behind every event."""


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """Roots of threads, those with the newest answers first."""

    chunk: list[bytes]
    next_batch: str | None


class ThreadList:
    """Lists threads."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        history: History,
        messages: Messages,
        aggregations: Aggregations,
        ignored_users: IgnoredUsers,
    ) -> None:
        self._rooms = rooms
        self._history = history
        self._messages = messages
        self._aggregations = aggregations
        self._ignored_users = ignored_users

    async def page(
        self, requester: Requester, room_id: str, *, participated: bool, since: int | None, limit: int
    ) -> ThreadPage:
        """A page of roots, of threads that the asker takes part in if `participated`. Raises 403 for outsiders.

        `since` is a position: the threads whose newest event stands there or before. One statement for the threads, one
        for roots that are not in memory, and those that `Serving` needs.
        """
        viewer = await self._history.viewer(requester.user_id, room_id)
        limit = min(limit, LIMIT)
        before = _END if since is None else since + 1
        found: list[StoredEvent] = []
        end: int | None = None
        scanned = 0
        while True:
            batch = max(limit, BATCH) if scanned else limit
            upto = _END if viewer.horizon is None else viewer.horizon
            rows = await store.threads(self._rooms.db, viewer.room.room_nid, before=before, upto=upto, limit=batch + 1)
            read = rows[:batch]
            scanned += len(read)
            shown = await self._shown(viewer, [root for root, _ in read], participated=participated)
            for root, pos in read:
                before = pos
                if root in shown:
                    found.append(shown[root])
                if len(found) >= limit:
                    break
            if read and before == read[-1][1] and len(rows) <= batch:
                break
            if not read:
                break
            if len(found) >= limit or scanned >= SCANNED:
                end = before - 1
                break
        chunk = await self._messages.serve(requester, viewer, await self._disguised(viewer, found))
        return ThreadPage(chunk, None if end is None else timeline_token(end))

    async def _shown(self, viewer: Viewer, root_ids: Sequence[str], *, participated: bool) -> dict[str, StoredEvent]:
        """Those that are roots of threads and the viewer may see, by id."""
        known = await self._rooms.cache.by_id(root_ids)
        roots = [
            stored
            for stored in known.values()
            if stored.room_nid == viewer.room.room_nid and relation_of(stored.event) is None
        ]
        roots = await self._history.visible(viewer, roots)
        groups = await self._aggregations.groups(viewer, roots)
        if participated:
            roots = [stored for stored in roots if viewer.user_id in participants(stored, groups)]
        shown = await self._visible_children(viewer, groups)
        return {
            stored.event.event_id: stored
            for stored in roots
            if bundle_of(stored, groups, user_id=viewer.user_id, visible=shown).thread is not None
        }

    async def _visible_children(self, viewer: Viewer, groups: Groups) -> Collection[int]:
        children = await self._rooms.cache.get(shown_children(groups))
        return {stored.event_nid for stored in await self._history.visible(viewer, list(children.values()))}

    async def _disguised(self, viewer: Viewer, roots: Sequence[StoredEvent]) -> list[StoredEvent]:
        """What an ignored user started is shown as if it were redacted."""
        ignored = await self._ignored_users.of(viewer.user_id)
        return [
            msgspec.structs.replace(stored, event=redact_event(stored.event))
            if stored.event.sender in ignored and stored.redacted_by is None
            else stored
            for stored in roots
        ]
