"""What relates to an event, remembered: most events have nothing, and to know that must cost nothing.

Spec: client-server API, "Aggregations of child events". In rooms without relations nothing is ever asked; in others each
event's children are read once, with those of the whole page, and kept up to date; they are read again when one has been
redacted.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ranvier.db.engine import Database
from ranvier.proto.ids import domain_of
from ranvier.proto.relations import REFERENCE, REPLACE, THREAD
from ranvier.rooms.append import Append
from ranvier.store import relations as store
from ranvier.store.events import StoredEvent
from ranvier.store.relations import ChildGroup, RelationRow

AGGREGATED: Final = frozenset({REFERENCE, REPLACE, THREAD})
REMEMBERED: Final = 65_536
"""Of how many events the children, mostly none, are kept in memory."""
_END: Final = 1 << 62
"""Behind every event of every room."""

Groups = Mapping[str, Sequence[ChildGroup]]
"""By the parent's id; those without children are missing. A child may be in another room: then it is none of it."""


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
        """What is new has no children yet; of who has lost a child the children are not known any more."""
        for append in batch:
            for entry in append.events:
                # An answer to another server's event may have come before it; to one of ours it cannot.
                if domain_of(entry.stored.event.sender) == self._server_name:
                    self._remember(entry.stored.event.event_id, ())
            for row in append.related:
                self._rooms.add(row.room_nid)
                known = self._known.get(row.parent_id)
                if known is not None and row.rel_type in AGGREGATED and row.counts:
                    self._known[row.parent_id] = with_child(known, row)
                self._changes += row.rel_type in AGGREGATED
            for row in append.unrelated:
                if row.rel_type in AGGREGATED:
                    self._known.pop(row.parent_id, None)
                    self._changes += 1

    def forget(self, parent_ids: Iterable[str]) -> None:
        """These have lost children."""
        for parent_id in parent_ids:
            self._known.pop(parent_id, None)
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


def with_child(groups: tuple[ChildGroup, ...], row: RelationRow) -> tuple[ChildGroup, ...]:
    """A parent's children with one more; the same ones if it is among them already."""
    child = ChildGroup(
        room_nid=row.room_nid,
        parent_id=row.parent_id,
        rel_type=row.rel_type,
        sender=row.sender,
        type=row.type,
        event_id=row.event_id,
        child_nid=row.child_nid,
        pos=row.pos,
        origin_server_ts=row.origin_server_ts,
        count=1,
    )
    for at, group in enumerate(groups):
        if _group_key(group) == _group_key(child):
            # What was read after the commit and before its news holds the child already.
            if group.child_nid == child.child_nid or (row.rel_type == THREAD and group.pos >= child.pos):
                return groups
            count = group.count + 1
            newest = child if _age_key(child) > _age_key(group) else group
            return (*groups[:at], replace(newest, count=count), *groups[at + 1 :])
    return (*groups, child)


def _group_key(group: ChildGroup) -> tuple[int, str, str, str, str]:
    """Children with the same key are one group, as in `store.child_groups`."""
    type_ = "" if group.rel_type == THREAD else group.type
    event_id = group.event_id if group.rel_type == REFERENCE else ""
    return group.room_nid, group.rel_type, group.sender, type_, event_id


def _age_key(group: ChildGroup) -> tuple[int, str]:
    """The greater, the newer."""
    return (group.pos if group.rel_type == THREAD else group.origin_server_ts), group.event_id


def _by_parent(rows: Sequence[ChildGroup]) -> dict[str, list[ChildGroup]]:
    found: dict[str, list[ChildGroup]] = {}
    for group in rows:
        found.setdefault(group.parent_id, []).append(group)
    return found
