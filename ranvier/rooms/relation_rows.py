"""What an event's relation is stored as.

Spec: client-server API, "Forming relationships between events", "Event replacements", "Event annotations and reactions".
"""

from hashlib import blake2b
from typing import Final

from ranvier.proto.events import Event
from ranvier.proto.limits import is_too_long
from ranvier.proto.relations import ANNOTATION, REPLACE, Relation, relation_of
from ranvier.store.events import ACCEPTED, StoredEvent
from ranvier.store.relations import RelationRow

_DIGEST_BYTES: Final = 16


def relation_row(stored: StoredEvent) -> RelationRow | None:
    """The row of an event that is related to another; `None` for others, and for those that stand in no timeline."""
    event = stored.event
    if "m.relates_to" not in event.content or stored.pos is None or stored.status != ACCEPTED:
        return None
    relation = relation_of(event)
    if relation is None or not _can_be_stored(relation, event):
        return None
    return RelationRow(
        room_nid=stored.room_nid,
        parent_id=relation.event_id,
        pos=stored.pos,
        child_nid=stored.event_nid,
        origin_server_ts=event.origin_server_ts,
        event_id=event.event_id,
        rel_type=relation.rel_type,
        type=event.type,
        sender=event.sender,
        annotation=annotation_digest(event.type, relation),
        counts=relation.rel_type != REPLACE or _can_replace(event),
    )


def annotation_digest(type_: str, relation: Relation) -> bytes | None:
    """What an annotation of this type says, short enough for an index; `None` for other relations."""
    if relation.rel_type != ANNOTATION:
        return None
    said = f"{type_}\0{relation.key}".encode("utf-8", "surrogatepass")
    return blake2b(said, digest_size=_DIGEST_BYTES).digest()


def _can_replace(event: Event) -> bool:
    """Whether an `m.replace` holds something new, as far as it can be read; that of an encrypted one cannot."""
    if event.state_key is not None:
        return False
    return event.type == "m.room.encrypted" or "m.new_content" in event.content


def _can_be_stored(relation: Relation, event: Event) -> bool:
    """No event has an id that is longer than ids may be or holds NUL: there is nothing to be related to."""
    names = (relation.event_id, relation.rel_type, event.type)
    return not any("\0" in name or is_too_long(name) for name in names)
