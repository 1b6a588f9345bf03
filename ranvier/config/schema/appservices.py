"""Options: application services and what invites show."""

from ranvier.config.kinds import BOOL, LIST, PATH, list_of
from ranvier.config.option import Option

OPTIONS = (
    Option(
        "room_prejoin_state.disable_default_event_types",
        BOOL,
        False,
        "Drop the default list (join_rules, canonical_alias, avatar, encryption, name, topic; never create)",
        honoured=True,
    ),
    Option(
        "room_prejoin_state.additional_event_types",
        LIST,
        [],
        "Extra stripped state: types, or [type, state_key]",
        honoured=True,
    ),
    Option(
        "track_puppeted_user_ips",
        BOOL,
        False,
        "Record IP against the puppeted user as well",
        not_applicable="addresses are kept with devices, and administrators act as others with tokens that have none",
    ),
    Option("app_service_config_files", list_of(PATH), [], "AS registration files", honoured=True),
    Option(
        "track_appservice_user_ips",
        BOOL,
        False,
        "Record AS users' IPs, of devices that they name (and count them as MAU)",
        honoured=True,
    ),
    Option("use_appservice_legacy_authorization", BOOL, False, "Also send hs_token as query parameter"),
)
