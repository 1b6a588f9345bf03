"""What the configuration says about aliases, the room list and TURN: frozen, typed."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class DirectoryRule:
    """One entry of `alias_creation_rules` or `room_list_publication_rules`: glob patterns and a verdict."""

    user_id: str
    alias: str
    room_id: str
    action: Literal["allow", "deny"]


@dataclass(frozen=True, slots=True)
class PrejoinState:
    """`room_prejoin_state`: what users at the door of a room are told of it."""

    disable_default: bool
    types: frozenset[str]
    """All state of these types."""
    keys: tuple[tuple[str, str], ...]
    """A type with a state key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoJoinConfig:
    """`auto_join_rooms`, and what else is said of them."""

    rooms: tuple[str, ...]
    """Aliases."""
    autocreate: bool
    federated: bool
    """Whether users of other servers can join the rooms that are made."""
    preset: Literal["public_chat", "private_chat", "trusted_private_chat"]
    host_localpart: str | None
    """Who makes the rooms and invites; `None`: the first who gets an account makes them."""
    for_guests: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnConfig:
    """The `turn_*` options."""

    uris: tuple[str, ...]
    shared_secret: str | None = field(repr=False)
    username: str | None
    password: str | None = field(repr=False)
    user_lifetime_ms: int
    allow_guests: bool
