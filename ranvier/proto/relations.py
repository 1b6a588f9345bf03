"""What an event says it relates to.

Spec: client-server API, "Forming relationships between events", "Rich replies", "Threading". A relation that does not
have the shape of the spec is no relation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ranvier.proto.events import Event

ANNOTATION: Final = "m.annotation"
REFERENCE: Final = "m.reference"
REPLACE: Final = "m.replace"
THREAD: Final = "m.thread"


@dataclass(frozen=True, slots=True)
class Relation:
    """`m.relates_to` with a `rel_type`."""

    rel_type: str
    event_id: str
    """The parent."""
    key: str | None
    """What the parent is annotated with (`m.annotation`)."""


def relation_of(event: Event) -> Relation | None:
    """The relation of an event to its parent. Rich replies have none: see `reply_target`."""
    return relation_in(event.content)


def relation_in(content: Mapping[str, Any]) -> Relation | None:
    """The relation in this content; an annotation without a key is none."""
    relates_to = content.get("m.relates_to")
    if not isinstance(relates_to, dict):
        return None
    rel_type, event_id, key = relates_to.get("rel_type"), relates_to.get("event_id"), relates_to.get("key")
    if not isinstance(rel_type, str) or not isinstance(event_id, str):
        return None
    if not isinstance(key, str):
        if rel_type == ANNOTATION:
            return None
        key = None
    return Relation(rel_type, event_id, key)


def thread_root(event: Event) -> str | None:
    """The root of the thread that the event says it is in."""
    relation = relation_of(event)
    return relation.event_id if relation is not None and relation.rel_type == THREAD else None


def reply_target(event: Event) -> str | None:
    """The event that this one is a rich reply to (in a thread it may be there for old clients only)."""
    relates_to = event.content.get("m.relates_to")
    reply = relates_to.get("m.in_reply_to") if isinstance(relates_to, dict) else None
    event_id = reply.get("event_id") if isinstance(reply, dict) else None
    return event_id if isinstance(event_id, str) else None
