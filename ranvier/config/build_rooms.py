"""`alias_creation_rules`, `room_list_publication_rules` and `turn_*` as typed objects."""

from collections.abc import Mapping
from typing import Final, Literal, cast

from ranvier.config.room_sections import DirectoryRule, PrejoinState, TurnConfig
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


PRESETS: Final = ("private_chat", "trusted_private_chat", "public_chat")


def default_power_levels(values: Values) -> dict[str, Mapping[str, object]]:
    """`default_power_level_content_override` by preset, without those for which it says nothing."""
    option = "default_power_level_content_override"
    found: dict[str, Mapping[str, object]] = {}
    for preset, content in values.mapping(option).items():
        if preset not in PRESETS:
            values.error(option, f"expected one of {', '.join(PRESETS)}, got {preset}")
        elif isinstance(content, dict):
            found[preset] = content
        elif content is not None:
            values.error(option, f"{preset}: expected a mapping, or null")
    return found


def build_prejoin_state(values: Values) -> PrejoinState:
    """`room_prejoin_state`."""
    option = "room_prejoin_state.additional_event_types"
    types: set[str] = set()
    keys: list[tuple[str, str]] = []
    for entry in values.get(option) or ():
        match entry:
            case str():
                types.add(entry)
            case [str(type_), str(state_key)]:
                keys.append((type_, state_key))
            case _:
                values.error(option, "expected a list of event types, or of pairs: an event type and a state key")
    return PrejoinState(
        disable_default=values.boolean("room_prejoin_state.disable_default_event_types"),
        types=frozenset(types),
        keys=tuple(keys),
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
