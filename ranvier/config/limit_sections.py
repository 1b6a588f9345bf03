"""How large rooms elsewhere may be: frozen, typed."""

from dataclasses import dataclass

from ranvier.config.values import Values

TOO_COMPLEX = (
    "Your homeserver is unable to join rooms this large or complex. Please speak to your server administrator, or "
    "upgrade your instance to join this room."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRoomLimit:
    """`limit_remote_rooms`."""

    complexity: float
    """More must not be joined."""
    error: str
    """What the user is told."""
    admins_can_join: bool


def build_remote_room_limit(values: Values) -> RemoteRoomLimit | None:
    """`None`: every room may be joined."""
    if not values.boolean("limit_remote_rooms.enabled"):
        return None
    return RemoteRoomLimit(
        complexity=values.number("limit_remote_rooms.complexity"),
        error=values.text_or_none("limit_remote_rooms.complexity_error") or TOO_COMPLEX,
        admins_can_join=values.boolean("limit_remote_rooms.admins_can_join"),
    )
