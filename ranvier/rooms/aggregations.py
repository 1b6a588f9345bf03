"""What an event's children come to: its newest edit, its thread, what refers to it.

Spec: client-server API, "Aggregations of child events", "Server-side aggregation" of `m.replace`, `m.reference` and
`m.thread`. Children of ignored users, and those that the asker may not see, do not count.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.proto.relations import REFERENCE, REPLACE, THREAD, relation_of
from ranvier.rooms.children import Children, Groups
from ranvier.rooms.history import Viewer
from ranvier.store.events import StoredEvent
from ranvier.store.relations import ChildGroup
from ranvier.users.ignored_users import IgnoredUsers


@dataclass(frozen=True, slots=True)
class Thread:
    """The thread under an event."""

    latest: int
    """`event_nid` of the newest event in it."""
    latest_pos: int
    count: int
    participated: bool
    """Whether the asker has said something in it, or started it."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is shown with an event."""

    edit: int | None = None
    """`event_nid` of the newest valid edit."""
    references: tuple[str, ...] = ()
    thread: Thread | None = None


NOTHING: Final = Bundle()


class Aggregations:
    """Finds and adds up children."""

    def __init__(self, *, children: Children, ignored_users: IgnoredUsers) -> None:
        self._children = children
        self._ignored_users = ignored_users

    def may_have(self, stored: StoredEvent) -> bool:
        """Whether anything may have to be shown with this event. Costs nothing."""
        return self._children.may_have(stored)

    async def any_of(self, events: Sequence[StoredEvent]) -> bool:
        """Whether anything is shown with any of these events, to whomever."""
        return bool(await self._children.of(events))

    async def groups(self, viewer: Viewer, events: Sequence[StoredEvent]) -> Groups:
        """The children of these events, and of the newest in their threads, that the viewer is to know of.

        At most one statement, mostly none; another the first time for whom they ignore.
        """
        if viewer.horizon is None:
            found = await self._children.of(events)
        else:
            found = await self._children.until(events, upto=viewer.horizon)
        if not found:
            return {}
        ignored = await self._ignored_users.of(viewer.user_id)
        if not ignored:
            return found
        return {parent: [group for group in groups if group.sender not in ignored] for parent, groups in found.items()}


def shown_children(groups: Groups) -> set[int]:
    """The events that `bundle_of` may want to show whole."""
    return {group.child_nid for children in groups.values() for group in children if group.rel_type != REFERENCE}


def bundle_of(stored: StoredEvent, groups: Groups, *, user_id: str, visible: Collection[int]) -> Bundle:
    """What is shown with an event; of the children only those in `visible` are shown whole."""
    children = _children_of(stored, groups)
    if not children or stored.event.state_key is not None:
        return NOTHING
    references = sorted((group for group in children if group.rel_type == REFERENCE), key=lambda group: group.pos)
    return Bundle(
        edit=_edit(stored, children, visible),
        references=tuple(group.event_id for group in references),
        thread=_thread(stored, children, user_id, visible),
    )


def participants(stored: StoredEvent, groups: Groups) -> set[str]:
    """Who has said something in the thread under an event, who started it included."""
    children = _children_of(stored, groups)
    return {stored.event.sender, *(group.sender for group in children if group.rel_type == THREAD)}


def _children_of(stored: StoredEvent, groups: Groups) -> list[ChildGroup]:
    """What says in another room that it relates to this event does not."""
    return [group for group in groups.get(stored.event.event_id, ()) if group.room_nid == stored.room_nid]


def _edit(stored: StoredEvent, children: Sequence[ChildGroup], visible: Collection[int]) -> int | None:
    """Spec: "Validity of replacement events"."""
    event = stored.event
    relation = relation_of(event)
    if stored.redacted_by is not None or (relation is not None and relation.rel_type == REPLACE):
        return None
    for group in children:
        if group.rel_type == REPLACE and (group.sender, group.type) == (event.sender, event.type):
            return group.child_nid if group.child_nid in visible else None
    return None


def _thread(
    stored: StoredEvent, children: Sequence[ChildGroup], user_id: str, visible: Collection[int]
) -> Thread | None:
    """A thread cannot start at an event that is related to another itself."""
    replies = [group for group in children if group.rel_type == THREAD]
    if not replies or relation_of(stored.event) is not None:
        return None
    newest = max((group for group in replies if group.child_nid in visible), key=lambda group: group.pos, default=None)
    if newest is None:
        return None
    return Thread(
        latest=newest.child_nid,
        latest_pos=newest.pos,
        count=sum(group.count for group in replies),
        participated=user_id == stored.event.sender or any(group.sender == user_id for group in replies),
    )
