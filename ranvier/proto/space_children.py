"""The children of a space, in the order in which they are shown.

Spec: client-server API, "Spaces", "Ordering of children within a space".
"""

import re
from collections.abc import Iterable
from typing import Final

from ranvier.proto.events import Event
from ranvier.proto.ids import is_room_id

SPACE: Final = "m.space"
CHILD: Final = "m.space.child"

_order = re.compile(r"[\x20-\x7E]{1,50}").fullmatch


def space_children(events: Iterable[Event], *, suggested_only: bool = False) -> list[Event]:
    """Those of a space's state events that name a child, in order; the child is the `state_key`.

    An event without servers to join through names none.
    """
    children = [event for event in events if event.type == CHILD and _is_child(event)]
    if suggested_only:
        children = [event for event in children if event.content.get("suggested") is True]
    return sorted(children, key=_place)


def _is_child(event: Event) -> bool:
    via = event.content.get("via")
    return (
        event.state_key is not None
        and is_room_id(event.state_key)
        and isinstance(via, list)
        and any(isinstance(server, str) for server in via)
    )


def _place(event: Event) -> tuple[bool, str, int, str]:
    """With a valid `order` first, by it; then by age; then by id."""
    order = event.content.get("order")
    if not isinstance(order, str) or _order(order) is None:
        return True, "", event.origin_server_ts, event.state_key or ""
    return False, order, event.origin_server_ts, event.state_key or ""
