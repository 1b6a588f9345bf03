"""Rooms as those see them who are not in them. Spec: client-server API, `PublishedRoomsChunk` and `RoomSummary`."""

import msgspec

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
