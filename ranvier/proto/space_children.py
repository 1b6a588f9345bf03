"""The children of a space, in the order in which they are shown.

Spec: client-server API, "Spaces", "Ordering of children within a space".
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, TypeVar

import msgspec

from ranvier.proto.ids import is_room_id

SPACE: Final = "m.space"
CHILD: Final = "m.space.child"

_order = re.compile(r"[\x20-\x7E]{1,50}").fullmatch


class Child(Protocol):
    """What has to be known of an `m.space.child` event."""

    @property
    def type(self) -> str: ...

    @property
    def state_key(self) -> str | None: ...

    @property
    def sender(self) -> str: ...

    @property
    def content(self) -> Mapping[str, Any]: ...

    @property
    def origin_server_ts(self) -> int: ...


class ToldChild(msgspec.Struct, frozen=True):
    """Such an event as another server tells of it."""

    type: str
    state_key: str
    sender: str
    content: dict[str, Any]
    origin_server_ts: int


AnyChild = TypeVar("AnyChild", bound=Child)


def space_children(events: Iterable[AnyChild], *, suggested_only: bool = False) -> list[AnyChild]:
    """Those of a space's state events that name a child, in order; the child is the `state_key`.

    An event without servers to join through names none.
    """
    children = [event for event in events if event.type == CHILD and _is_child(event)]
    if suggested_only:
        children = [event for event in children if event.content.get("suggested") is True]
    return sorted(children, key=_place)


def stripped_child(event: Child) -> dict[str, Any]:
    """The event as those see it who are not in the space."""
    return {
        "content": event.content,
        "sender": event.sender,
        "state_key": event.state_key,
        "type": event.type,
        "origin_server_ts": event.origin_server_ts,
    }


def servers_of(event: Child) -> list[str]:
    """The servers through which the child may be joined."""
    via = event.content.get("via")
    return [server for server in via if isinstance(server, str)] if isinstance(via, list) else []


def _is_child(event: Child) -> bool:
    return event.state_key is not None and is_room_id(event.state_key) and bool(servers_of(event))


def _place(event: Child) -> tuple[bool, str, int, str]:
    """With a valid `order` first, by it; then by age; then by id."""
    order = event.content.get("order")
    if not isinstance(order, str) or _order(order) is None:
        return True, "", event.origin_server_ts, event.state_key or ""
    return False, order, event.origin_server_ts, event.state_key or ""
