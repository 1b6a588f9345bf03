"""How large rooms elsewhere may be, and how many users there may be: frozen, typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ranvier.config.values import Values

DAY_MS: Final = 86_400_000
TOO_COMPLEX: Final = (
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyUsersConfig:
    """How many people may use the server, and who is not counted."""

    limits: bool
    """`limit_usage_by_mau`; false: they are counted only."""
    most: int
    """`max_mau_value`."""
    trial_days: int
    service_trial_days: Mapping[str, int]
    """By the id of an application service."""
    reserved: tuple[tuple[str, str], ...]
    """Medium and address of those who are never kept out."""
    alerts: bool
    """`mau_limit_alerting`."""
    counts_services: bool
    """`track_appservice_user_ips`."""

    def trial_ms(self, service_id: str | None) -> int:
        """For how long after their registration somebody is not counted."""
        days = self.trial_days if service_id is None else self.service_trial_days.get(service_id, self.trial_days)
        return days * DAY_MS


def build_monthly_users(values: Values) -> MonthlyUsersConfig | None:
    """`None`: nobody counts."""
    limits = values.boolean("limit_usage_by_mau")
    if not limits and not values.boolean("mau_stats_only"):
        return None
    if limits and not values.is_set("max_mau_value"):
        values.error("limit_usage_by_mau", "needs max_mau_value: how many users there may be")
    reserved = [
        (one.text("medium"), one.text("address"))
        for one in values.items("mau_limit_reserved_threepids")
        if one.is_set("medium") and one.is_set("address")
    ]
    return MonthlyUsersConfig(
        limits=limits,
        most=values.integer("max_mau_value"),
        trial_days=values.integer("mau_trial_days"),
        service_trial_days=values.mapping("mau_appservice_trial_days"),
        reserved=tuple((medium, address.lower()) for medium, address in reserved),
        alerts=values.boolean("mau_limit_alerting"),
        counts_services=values.boolean("track_appservice_user_ips"),
    )
