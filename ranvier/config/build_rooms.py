"""`alias_creation_rules`, `room_list_publication_rules` and `turn_*` as typed objects."""

from typing import Literal, cast

from ranvier.config.room_sections import DirectoryRule, TurnConfig
from ranvier.config.secret_files import SecretFiles
from ranvier.config.values import Values


def directory_rules(values: Values, option: str) -> tuple[DirectoryRule, ...] | None:
    """The rules of an option in order; `None` where the file says nothing: everybody may."""
    if values.get(option) is None:
        return None
    return tuple(
        DirectoryRule(
            user_id=rule.text("user_id"),
            alias=rule.text("alias"),
            room_id=rule.text("room_id"),
            action=cast(Literal["allow", "deny"], rule.text("action")),
        )
        for rule in values.items(option)
    )


def build_turn(values: Values, files: SecretFiles) -> TurnConfig:
    """The `turn_*` options."""
    return TurnConfig(
        uris=values.texts("turn_uris"),
        shared_secret=files.secret(values, "turn_shared_secret"),
        username=values.text_or_none("turn_username"),
        password=values.text_or_none("turn_password"),
        user_lifetime_ms=values.integer("turn_user_lifetime"),
        allow_guests=values.boolean("turn_allow_guests"),
    )
