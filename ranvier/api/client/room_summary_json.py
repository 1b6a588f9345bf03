"""Rooms as those see them who are not in them. Spec: client-server API, `PublishedRoomsChunk` and `RoomSummary`."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ranvier.proto.space_children import Child, stripped_child
from ranvier.store.room_descriptions import RoomSummary


class PublishedRoom(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An entry of the directory."""

    room_id: str
    num_joined_members: int
    world_readable: bool
    guest_can_join: bool
    name: str | None = None
    topic: str | None = None
    canonical_alias: str | None = None
    avatar_url: str | None = None
    join_rule: str | None = None
    room_type: str | None = None


class SummarisedRoom(PublishedRoom, omit_defaults=True, kw_only=True):
    """What a summary tells besides."""

    allowed_room_ids: tuple[str, ...] = ()
    encryption: str | None = None
    room_version: str | None = None
    membership: str | None = None
    """The asker's, in `GET /room_summary`."""
    children_state: list[dict[str, Any]] | None = None
    """In `GET /hierarchy`."""


def published_room(room: RoomSummary) -> PublishedRoom:
    """A room for the directory."""
    return PublishedRoom(
        room_id=room.room_id,
        num_joined_members=room.joined_members,
        world_readable=room.history_visibility == "world_readable",
        guest_can_join=room.guest_access == "can_join",
        name=room.name,
        topic=room.topic,
        canonical_alias=room.canonical_alias,
        avatar_url=room.avatar,
        join_rule=room.join_rule,
        room_type=room.room_type,
    )


def summarised_room(
    room: RoomSummary, *, membership: str | None = None, children: Iterable[Child] | None = None
) -> SummarisedRoom:
    """A room for a summary, or for a space's hierarchy, where `children` are its `m.space.child` events."""
    return SummarisedRoom(
        **msgspec.structs.asdict(published_room(room)),
        allowed_room_ids=room.allowed,
        encryption=room.encryption,
        room_version=room.room_version or None,
        membership=membership,
        children_state=None if children is None else [stripped_child(child) for child in children],
    )
