"""What relates to an event, remembered: most events have nothing, and to know that must cost nothing.

Spec: client-server API, "Aggregations of child events". In rooms without relations nothing is ever asked; in others each
event's children are read once, with those of the whole page, and read again after they have changed.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ranvier.db.engine import Database
from ranvier.proto.ids import domain_of
from ranvier.proto.relations import ANNOTATION, THREAD
from ranvier.rooms.append import Append
from ranvier.store import relations as store
from ranvier.store.events import StoredEvent
from ranvier.store.relations import ChildGroup

REMEMBERED: Final = 65_536
"""Of how many events the children, mostly none, are kept in memory."""
_END: Final = 1 << 62
"""Behind every event of every room."""

Groups = Mapping[str, Sequence[ChildGroup]]
"""By the parent's id; those without children are missing."""


class Children:
    """Finds the children of events. `on_commit` is a listener of the appender."""

    def __init__(self, *, db: Database, server_name: str, rooms: Collection[int]) -> None:
        self._db = db
        self._server_name = server_name
        self._rooms = set(rooms)
        """Every room in which anything relates to anything."""
        self._known: dict[str, tuple[ChildGroup, ...]] = {}
        self._changes = 0

    @classmethod
    async def load(cls, db: Database, *, server_name: str) -> "Children":
        """Learn which rooms have relations. One statement."""
        return cls(db=db, server_name=server_name, rooms=await store.rooms_with_relations(db))

    def may_have(self, stored: StoredEvent) -> bool:
        """Whether the event can have children that are aggregated; those of state events are not."""
        return (
            stored.event.state_key is None
            and stored.room_nid in self._rooms
            and self._known.get(stored.event.event_id) != ()
        )

    async def of(self, events: Sequence[StoredEvent]) -> Groups:
        """Children of these events, and of the newest in their threads. At most one statement, mostly none."""
        asked = [stored for stored in events if self.may_have(stored)]
        unknown = {stored.event.event_id: stored.room_nid for stored in asked if self._unknown(stored)}
        for stored in asked:
            for newest in self._newest(self._known.get(stored.event.event_id, ())):
                if newest not in self._known:
                    unknown[newest] = stored.room_nid
        found = await self._read(unknown) if unknown else {}
        known = {stored.event.event_id: self._known.get(stored.event.event_id, ()) for stored in asked}
        for groups in list(known.values()):
            known.update({newest: self._known.get(newest, ()) for newest in self._newest(groups)})
        return {parent: groups for parent, groups in {**known, **found}.items() if groups}

    async def until(self, events: Sequence[StoredEvent], *, upto: int) -> Groups:
        """The same as it was at a position of the room, for who may see no further. At most one statement."""
        asked = [stored for stored in events if self.may_have(stored)]
        if not asked:
            return {}
        rooms, parents = {stored.room_nid for stored in asked}, [stored.event.event_id for stored in asked]
        return _by_parent(await store.child_groups(self._db, rooms, parents, upto=upto))

    def on_commit(self, batch: Sequence[Append]) -> None:
        """What is new has no children yet; whose children have changed is not known any more."""
        for append in batch:
            for entry in append.events:
                # An answer to another server's event may have come before it; to one of ours it cannot.
                if domain_of(entry.stored.event.sender) == self._server_name:
                    self._remember(entry.stored.event.event_id, ())
            for row in append.related:
                self._rooms.add(row.room_nid)
            for row in (*append.related, *append.unrelated):
                if row.rel_type != ANNOTATION:
                    self._known.pop(row.parent_id, None)
                    self._changes += 1

    def _unknown(self, stored: StoredEvent) -> bool:
        return stored.event.event_id not in self._known

    def _newest(self, groups: Sequence[ChildGroup]) -> list[str]:
        return [group.event_id for group in groups if group.rel_type == THREAD]

    async def _read(self, unknown: Mapping[str, int]) -> dict[str, tuple[ChildGroup, ...]]:
        """Children by the parents' ids; `unknown` are ids with their rooms."""
        before = self._changes
        rows = await store.child_groups(self._db, set(unknown.values()), list(unknown), upto=_END)
        groups = _by_parent(rows)
        found = {parent: tuple(groups.get(parent, ())) for parent in unknown}
        # A child that names a parent in another room is none of it.
        found = {
            parent: tuple(group for group in children if group.room_nid == unknown[parent])
            for parent, children in found.items()
        }
        for children in list(found.values()):
            found.update({newest: tuple(groups.get(newest, ())) for newest in self._newest(children)})
        if before == self._changes:
            for parent, children in found.items():
                self._remember(parent, children)
        return found

    def _remember(self, parent_id: str, children: tuple[ChildGroup, ...]) -> None:
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[parent_id] = children


def _by_parent(rows: Sequence[ChildGroup]) -> dict[str, list[ChildGroup]]:
    found: dict[str, list[ChildGroup]] = {}
    for group in rows:
        found.setdefault(group.parent_id, []).append(group)
    return found
