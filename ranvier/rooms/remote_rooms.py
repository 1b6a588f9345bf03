"""Rooms that this server is not in, as this layer sees them: somebody is asked about them.

Spec: client-server API, "Discovering rooms within spaces", "Published room directory", "Room Summaries". Nothing here
raises because a server does not answer, unless it says so.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ranvier.proto.errors import not_found
from ranvier.proto.space_children import ToldChild
from ranvier.rooms.room import Room
from ranvier.store.room_descriptions import RoomSummary

HostsOf = Callable[[Room], Awaitable[Collection[str]]]
"""The servers that are in a room."""


@dataclass(frozen=True, slots=True)
class RemoteSpace:
    """A room as another server tells of it; `room_nid` of remote rooms is 0."""

    room: RoomSummary
    children_state: Sequence[ToldChild] = ()
    """Of a space, whoever may look into its children."""
    children: Mapping[str, RoomSummary] = field(default_factory=dict)
    """Those of its children that this server could look into or join, as the other one tells."""
    inaccessible: frozenset[str] = frozenset()
    """Those that it could not."""


class RemoteSpaces(Protocol):
    """Asks for rooms and what is in them."""

    async def spaces(self, wanted: Mapping[str, Sequence[str]], *, suggested_only: bool) -> Mapping[str, RemoteSpace]:
        """By room id the servers that may know it; the rooms that one of these told of. Remembered for some time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySearch:
    """What part of a directory is wanted."""

    since: str | None = None
    limit: int | None = None
    term: str | None = None
    room_types: Collection[str | None] | None = None
    include_all_networks: bool | None = None
    third_party_instance_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryPage:
    """Part of a directory."""

    rooms: list[RoomSummary]
    next_batch: str | None
    prev_batch: str | None
    total: int


class RemoteDirectories(Protocol):
    """Asks for the published rooms of other servers."""

    async def page(self, server_name: str, search: DirectorySearch) -> DirectoryPage:
        """Part of another server's directory. Raises 502 if it does not answer, or the error it answers with."""
        ...


class RemoteAliases(Protocol):
    """Asks for the rooms that aliases of other servers name."""

    async def resolve(self, alias: str) -> tuple[str, list[str]]:
        """The room's id, and servers that are in it. Raises 404, and 502 if the alias's server does not answer."""
        ...


class NowhereElse:
    """There are no other servers."""

    async def spaces(self, wanted: Mapping[str, Sequence[str]], *, suggested_only: bool) -> Mapping[str, RemoteSpace]:
        return {}

    async def page(self, server_name: str, search: DirectorySearch) -> DirectoryPage:
        raise not_found("The directory of this server is not to be had here")

    async def resolve(self, alias: str) -> tuple[str, list[str]]:
        raise not_found("No room has this alias")
