"""What a local user may not send because of what it relates to.

Spec: client-server API, "Avoiding duplicate annotations", "Validation of `m.thread` relationships". Other relations that
break rules are stored and ignored.
"""

from ranvier.proto.errors import MatrixError
from ranvier.proto.relations import THREAD, Relation, relation_in, relation_of
from ranvier.rooms.append import Appender
from ranvier.rooms.relation_rows import annotation_digest
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft
from ranvier.store import relations as store


class RelationChecks:
    """Judges drafts; to be asked under the room's lock."""

    def __init__(self, *, rooms: Rooms, appender: Appender) -> None:
        self._rooms = rooms
        self._appender = appender

    async def check(self, room: Room, draft: Draft) -> None:
        """Raises 400 `M_DUPLICATE_ANNOTATION` or, for a thread on an event that is related to another, `M_UNKNOWN`.

        No statement without a relation; one for an annotation; for an answer in a thread none if the root is in memory.
        """
        relation = relation_in(draft.content)
        if relation is None or "\0" in relation.event_id:
            return
        if relation.rel_type == THREAD:
            await self._check_thread(room, relation.event_id)
        digest = annotation_digest(draft.type, relation)
        if digest is not None:
            await self._check_annotation(room, draft, relation, digest)

    async def _check_thread(self, room: Room, root_id: str) -> None:
        root = (await self._rooms.cache.by_id([root_id])).get(root_id)
        if root is not None and root.room_nid == room.room_nid and relation_of(root.event) is not None:
            raise MatrixError(400, "M_UNKNOWN", "A thread cannot start at an event that is related to another")

    async def _check_annotation(self, room: Room, draft: Draft, relation: Relation, digest: bytes) -> None:
        known = any(
            (row.parent_id, row.sender, row.annotation) == (relation.event_id, draft.sender, digest)
            for row in self._appender.unstored_relations(room)
        )
        known = known or await store.has_annotation(
            self._rooms.db, room.room_nid, relation.event_id, draft.sender, digest
        )
        if known:
            raise MatrixError(400, "M_DUPLICATE_ANNOTATION", "You have annotated this event in the same way already")
