"""The answer of `GET /sync`, for the OpenAPI document: the server itself puts it together from bytes.

Spec: client-server API, "Syncing"; MSC4222 for the unstable `state_after`.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class EventList(msgspec.Struct):
    """Events in the client format."""

    events: list[dict[str, Any]]


class Timeline(msgspec.Struct):
    """The newest events of a room."""

    events: list[dict[str, Any]]
    limited: bool | UnsetType = UNSET
    prev_batch: str | UnsetType = UNSET


class RoomSummary(msgspec.Struct):
    """What a client needs to name a room without its members."""

    heroes: list[str] | UnsetType = msgspec.field(default=UNSET, name="m.heroes")
    joined: int | UnsetType = msgspec.field(default=UNSET, name="m.joined_member_count")
    invited: int | UnsetType = msgspec.field(default=UNSET, name="m.invited_member_count")


class UnreadCounts(msgspec.Struct):
    """How many events the push rules notify about since the read receipt."""

    highlight_count: int
    notification_count: int


class JoinedRoom(msgspec.Struct):
    """A room that the user is in. Sections without news are left out."""

    timeline: Timeline | UnsetType = UNSET
    state: EventList | UnsetType = UNSET
    state_after: EventList | UnsetType = UNSET
    unstable_state_after: EventList | UnsetType = msgspec.field(default=UNSET, name="org.matrix.msc4222.state_after")
    summary: RoomSummary | UnsetType = UNSET
    ephemeral: EventList | UnsetType = UNSET
    account_data: EventList | UnsetType = UNSET
    unread_notifications: UnreadCounts | UnsetType = UNSET
    unread_thread_notifications: dict[str, UnreadCounts] | UnsetType = UNSET


class InvitedRoom(msgspec.Struct):
    """A room that the user is invited to."""

    invite_state: EventList


class KnockedRoom(msgspec.Struct):
    """A room that the user knocks at."""

    knock_state: EventList


class LeftRoom(msgspec.Struct):
    """A room that the user has left."""

    timeline: Timeline | UnsetType = UNSET
    state: EventList | UnsetType = UNSET
    state_after: EventList | UnsetType = UNSET
    unstable_state_after: EventList | UnsetType = msgspec.field(default=UNSET, name="org.matrix.msc4222.state_after")
    account_data: EventList | UnsetType = UNSET


class SyncRooms(msgspec.Struct):
    """Rooms with news, by the user's membership."""

    join: dict[str, JoinedRoom] | UnsetType = UNSET
    invite: dict[str, InvitedRoom] | UnsetType = UNSET
    knock: dict[str, KnockedRoom] | UnsetType = UNSET
    leave: dict[str, LeftRoom] | UnsetType = UNSET


class ChangedDevices(msgspec.Struct):
    """Whose devices have changed, and whose are no longer of interest."""

    changed: list[str]
    left: list[str]


class SyncAnswer(msgspec.Struct):
    """Everything that is new for a device. Sections without news are left out."""

    next_batch: str
    rooms: SyncRooms | UnsetType = UNSET
    presence: EventList | UnsetType = UNSET
    account_data: EventList | UnsetType = UNSET
    to_device: EventList | UnsetType = UNSET
    device_lists: ChangedDevices | UnsetType = UNSET
    device_one_time_keys_count: dict[str, int] | UnsetType = UNSET
    device_unused_fallback_key_types: list[str] | UnsetType = UNSET
    unstable_fallback_key_types: list[str] | UnsetType = msgspec.field(
        default=UNSET, name="org.matrix.msc2732.device_unused_fallback_key_types"
    )
