"""`alias_creation_rules`, `room_list_publication_rules` and `turn_*` as typed objects."""

from collections.abc import Mapping
from typing import Final, Literal, cast

from ranvier.config.room_sections import AutoJoinConfig, DirectoryRule, PrejoinState, TurnConfig
from ranvier.config.secret_files import SecretFiles
from ranvier.config.values import Values
from ranvier.proto.ids import is_room_alias


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


def build_auto_join(values: Values) -> AutoJoinConfig:
    """`auto_join_rooms` and the options beside it; mistakes are noted."""
    rooms = values.texts("auto_join_rooms")
    for alias in rooms:
        if not is_room_alias(alias):
            values.error("auto_join_rooms", f"{alias} is not a room alias, such as #welcome:example.org")
    preset = cast(
        Literal["public_chat", "private_chat", "trusted_private_chat"], values.text("autocreate_auto_join_room_preset")
    )
    host = values.text_or_none("auto_join_mxid_localpart")
    if rooms and preset != "public_chat" and host is None:
        values.error(
            "autocreate_auto_join_room_preset",
            f"rooms of the preset {preset} need auto_join_mxid_localpart: somebody has to invite",
        )
    return AutoJoinConfig(
        rooms=rooms,
        autocreate=values.boolean("autocreate_auto_join_rooms"),
        federated=values.boolean("autocreate_auto_join_rooms_federated"),
        preset=preset,
        host_localpart=host,
        for_guests=values.boolean("auto_join_rooms_for_guests"),
    )


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
