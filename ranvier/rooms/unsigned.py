"""What the server adds to an event for who asks, as JSON.

Spec: client-server API, "Room event format" (`age`, `transaction_id`, `prev_content`, `replaces_state`,
`redacted_because`, `membership`), "Aggregations of child events" (`m.relations`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ranvier.proto.canonical_json import encode_lenient
from ranvier.proto.client_events import client_event
from ranvier.rooms.aggregations import NOTHING, Bundle
from ranvier.store.events import StoredEvent

MembershipAt = Mapping[int, str] | str | None
"""The user's membership at each event (by `event_nid`), the same for all, or not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the events of one answer need besides themselves. Events are named by their `event_nid`."""

    room_id: bool
    """Whether the events carry their room's id."""
    now_ms: int | None
    """`None`: the answer must not depend on the time."""
    membership: MembershipAt = None
    related: Mapping[int, StoredEvent] = field(default_factory=dict)
    """Redactions, replaced state, children."""
    visible: Collection[int] = ()
    """Which of the related events the asker may see."""
    bundles: Mapping[int, Bundle] = field(default_factory=dict)
    txn_ids: Mapping[int, str] = field(default_factory=dict)


def with_transaction_id(served: bytes, txn_id: str) -> bytes:
    """An event that was served without one, for the device that sent it."""
    added = b'"transaction_id":' + orjson.dumps(txn_id)
    # An event ends with a string, or with its `unsigned`.
    return (
        b"%b,%b}}" % (served[:-2], added) if served.endswith(b"}}") else b'%b,"unsigned":{%b}}' % (served[:-1], added)
    )


def served_event(stored: StoredEvent, surroundings: Surroundings) -> bytes:
    """The event with its `unsigned`."""
    parts = _unsigned(stored, surroundings)
    unsigned = b"{%s}" % b",".join(parts) if parts else None
    return client_event(stored.event, room_id=surroundings.room_id, unsigned=unsigned)


def _unsigned(stored: StoredEvent, surroundings: Surroundings) -> list[bytes]:
    parts = []
    related = surroundings.related
    if surroundings.now_ms is not None:
        parts.append(b'"age":%d' % (surroundings.now_ms - stored.event.origin_server_ts))
    if surroundings.membership is not None:
        at = surroundings.membership
        membership = at if isinstance(at, str) else at.get(stored.event_nid)
        if membership is not None:
            parts.append(b'"membership":' + orjson.dumps(membership))
    if stored.replaces is not None and stored.replaces in related:
        parts += _replaced(related[stored.replaces], content=stored.replaces in surroundings.visible)
    if stored.redacted_by is not None and stored.redacted_by in related:
        redaction = related[stored.redacted_by].event
        parts.append(b'"redacted_because":' + client_event(redaction, room_id=surroundings.room_id))
    if stored.event_nid in surroundings.txn_ids:
        parts.append(b'"transaction_id":' + orjson.dumps(surroundings.txn_ids[stored.event_nid]))
    relations = _relations(surroundings.bundles.get(stored.event_nid, NOTHING), surroundings)
    if relations:
        parts.append(b'"m.relations":{%s}' % b",".join(relations))
    return parts


def _replaced(replaced: StoredEvent, *, content: bool) -> list[bytes]:
    """Which state event this one replaced, whoever asks; what it said, for those who may see it."""
    parts = [b'"replaces_state":' + orjson.dumps(replaced.event.event_id)]
    if content:
        parts.append(b'"prev_content":' + _dumps(replaced.event.content))
    return parts


def _relations(bundle: Bundle, surroundings: Surroundings) -> list[bytes]:
    parts = []
    if bundle.edit is not None:
        parts.append(b'"m.replace":' + served_event(surroundings.related[bundle.edit], surroundings))
    if bundle.references:
        chunk = [{"event_id": event_id} for event_id in bundle.references]
        parts.append(b'"m.reference":' + orjson.dumps({"chunk": chunk}))
    thread = bundle.thread
    if thread is not None:
        latest = served_event(surroundings.related[thread.latest], surroundings)
        participated = b"true" if thread.participated else b"false"
        parts.append(
            b'"m.thread":{"latest_event":%s,"count":%d,"current_user_participated":%s}'
            % (latest, thread.count, participated)
        )
    return parts


def _dumps(content: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(content)
    except TypeError:  # An integer beyond 64 bits, from an old room version.
        return encode_lenient(content)
