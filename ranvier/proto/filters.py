"""Filters: which events a client wants to be told about.

Spec: client-server API, "Filtering", `Filter`, `RoomFilter`, `RoomEventFilter`, `EventFilter`. `related_by_senders` and
`related_by_rel_types` are MSC3440's; they depend on other events, so that `allows` does not judge them: see
`rooms.related_by`.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from ranvier.proto.errors import bad_json
from ranvier.proto.events import Event
from ranvier.proto.globs import Matcher, compile_glob
from ranvier.proto.property_paths import split_path

_T = TypeVar("_T")
_UserIds = tuple[Annotated[str, Meta(pattern="^@")], ...]
_RoomIds = tuple[Annotated[str, Meta(pattern="^!")], ...]
# Zero is below what the spec allows, but clients use it to say that they want no events at all.
_Limit = Annotated[int, Meta(ge=0)]


def select_fields(event: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """What `event_fields` leaves of an event in its client form."""
    tree: dict[str, Any] = {}
    # Sorted, a property comes before what is in it; where the whole is wanted its parts add nothing.
    for *parents, last in sorted(split_path(field) for field in fields):
        node = tree
        for name in parents:
            below = node.setdefault(name, {})
            if below is None:
                break
            node = below
        else:
            node[last] = None
    return {name: _pick(event[name], below) for name, below in tree.items() if name in event}


class _Compiled:
    """An `EventFilter` in the form that answers fast."""

    __slots__ = ("_contains_url", "_not_senders", "_not_types", "_senders", "_types", "is_open")

    def __init__(
        self,
        *,
        types: Sequence[str] | None,
        not_types: Sequence[str] | None,
        senders: Sequence[str] | None,
        not_senders: Sequence[str] | None,
        contains_url: bool | None,
    ) -> None:
        self._types = None if types is None else _TypeSet(types)
        self._not_types = _TypeSet(not_types) if not_types else None
        self._senders = None if senders is None else frozenset(senders)
        self._not_senders = frozenset(not_senders or ())
        self._contains_url = contains_url
        self.is_open = (
            self._types is None
            and self._not_types is None
            and self._senders is None
            and not self._not_senders
            and self._contains_url is None
        )

    def allows_type(self, type: str) -> bool:
        if self._not_types is not None and type in self._not_types:
            return False
        return self._types is None or type in self._types

    def allows_sender(self, sender: str) -> bool:
        return sender not in self._not_senders and (self._senders is None or sender in self._senders)

    def allows(self, type: str, sender: str | None, content: Mapping[str, Any]) -> bool:
        if not self.allows_type(type) or (sender is not None and not self.allows_sender(sender)):
            return False
        return self._contains_url is None or ("url" in content) is self._contains_url


class _TypeSet:
    """Event types, some of them with the wildcard `*`."""

    __slots__ = ("_globs", "_names")

    def __init__(self, patterns: Sequence[str]) -> None:
        self._names = frozenset(pattern for pattern in patterns if "*" not in pattern)
        self._globs: list[Matcher] = [compile_glob(p, question_mark=False) for p in patterns if "*" in p]

    def __contains__(self, type: str) -> bool:
        return type in self._names or any(matches(type) for matches in self._globs)


class EventFilter(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What the wanted events are like. `None` means: no such condition."""

    limit: _Limit | None = None
    types: tuple[str, ...] | None = None
    not_types: tuple[str, ...] | None = None
    senders: _UserIds | None = None
    not_senders: _UserIds | None = None

    @property
    def is_open(self) -> bool:
        """Whether every event is allowed."""
        return self._compiled.is_open

    def allows(self, event: Event) -> bool:
        """Whether this event of a room is wanted (its room is not looked at: see `allows_room`)."""
        compiled = self._compiled
        return compiled.is_open or compiled.allows(event.type, event.sender, event.content)

    def allows_parts(self, type: str, sender: str | None, content: Mapping[str, Any]) -> bool:
        """The same for what is not in a room's history: account data, presence, receipts, typing.

        What has no sender is not kept back for lack of a wanted one.
        """
        compiled = self._compiled
        return compiled.is_open or compiled.allows(type, sender, content)

    def allows_type(self, type: str) -> bool:
        """Whether events of this type are wanted, as far as the type can say."""
        return self._compiled.allows_type(type)

    def allows_sender(self, sender: str) -> bool:
        """Whether events of this sender are wanted, as far as the sender can say."""
        return self._compiled.allows_sender(sender)

    @property
    def _contains_url(self) -> bool | None:
        return None

    @cached_property
    def _compiled(self) -> _Compiled:
        return _Compiled(
            types=self.types,
            not_types=self.not_types,
            senders=self.senders,
            not_senders=self.not_senders,
            contains_url=self._contains_url,
        )


class RoomEventFilter(EventFilter, frozen=True, kw_only=True, dict=True):
    """What the wanted events of rooms are like."""

    rooms: _RoomIds | None = None
    not_rooms: _RoomIds | None = None
    contains_url: bool | None = None
    lazy_load_members: bool = False
    include_redundant_members: bool = False
    unread_thread_notifications: bool = False
    related_by_senders: _UserIds | None = None
    related_by_rel_types: tuple[str, ...] | None = None

    @property
    def is_open(self) -> bool:
        """Whether every event is allowed."""
        return self._compiled.is_open and not self.asks_relations

    @property
    def asks_relations(self) -> bool:
        """Whether only events are wanted that others relate to."""
        return self.related_by_rel_types is not None or self.related_by_senders is not None

    def allows_room(self, room_id: str) -> bool:
        """Whether events of this room are wanted."""
        return _in_room(room_id, self.rooms, self.not_rooms)

    @property
    def _contains_url(self) -> bool | None:
        return self.contains_url


class RoomFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of rooms."""

    rooms: _RoomIds | None = None
    not_rooms: _RoomIds | None = None
    include_leave: bool = False
    timeline: RoomEventFilter = RoomEventFilter()
    state: RoomEventFilter = RoomEventFilter()
    ephemeral: RoomEventFilter = RoomEventFilter()
    account_data: RoomEventFilter = RoomEventFilter()

    def allows_room(self, room_id: str) -> bool:
        """Whether anything of this room is wanted."""
        return _in_room(room_id, self.rooms, self.not_rooms)


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter for `/sync`."""

    room: RoomFilter = RoomFilter()
    presence: EventFilter = EventFilter()
    account_data: EventFilter = EventFilter()
    event_format: Literal["client", "federation"] = "client"
    event_fields: tuple[str, ...] | None = None

    def without_rooms(self, room_ids: Sequence[str]) -> "Filter":
        """The same, but nothing of these rooms."""
        unwanted = (*(self.room.not_rooms or ()), *room_ids)
        return msgspec.structs.replace(self, room=msgspec.structs.replace(self.room, not_rooms=unwanted))


NO_FILTER: Final = Filter()
NO_EVENT_FILTER: Final = RoomEventFilter()


def parse_filter(source: bytes | str | Mapping[str, Any]) -> Filter:
    """A filter from JSON or from what was decoded of it. Raises 400 `M_BAD_JSON` that names the field."""
    return _parse(source, Filter)


def parse_event_filter(source: bytes | str | Mapping[str, Any]) -> RoomEventFilter:
    """The filter that `/messages`, `/context` and `/search` take. Raises 400 `M_BAD_JSON` that names the field."""
    return _parse(source, RoomEventFilter)


def _in_room(room_id: str, rooms: Sequence[str] | None, not_rooms: Sequence[str] | None) -> bool:
    return (not_rooms is None or room_id not in not_rooms) and (rooms is None or room_id in rooms)


def _parse(source: bytes | str | Mapping[str, Any], kind: type[_T]) -> _T:
    try:
        if isinstance(source, bytes | str):
            return msgspec.json.decode(source, type=kind)
        return msgspec.convert(source, kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        field = path.strip("`").removeprefix("$.")
        raise bad_json(f"{field}: {reason}" if field else f"The filter: {reason}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_json("The filter is not valid JSON") from None


def _pick(value: Any, tree: Mapping[str, Any] | None) -> Any:
    """What of a value a tree of property names wants; a leaf is `None`."""
    if tree is None:
        return value
    if not isinstance(value, dict):
        return {}
    return {name: _pick(value[name], below) for name, below in tree.items() if name in value}
