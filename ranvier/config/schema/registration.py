"""Options: registration, sessions and devices."""

from ranvier.config.kinds import (
    BOOL,
    DURATION,
    LIFETIME,
    LIST,
    PATH,
    REGEX,
    SECTION,
    STRING,
    URL,
    list_of,
    one_of,
    whole_between,
)
from ranvier.config.option import Option

BCRYPT_ROUNDS = whole_between(4, 31)

OPTIONS = (
    Option(
        "delete_stale_devices_after",
        DURATION,
        None,
        "Daily job logs out and deletes devices unused this long",
        honoured=True,
    ),
    Option(
        "request_token_inhibit_3pid_errors",
        BOOL,
        False,
        "requestToken endpoints fake success instead of leaking 3PID existence",
        honoured=True,
    ),
    Option(
        "next_link_domain_whitelist", list_of(STRING), None, "Domains allowed in next_link; [] = none", honoured=True
    ),
    Option(
        "enable_registration",
        BOOL,
        False,
        "Anybody may register; needs captcha, 3pid or token, or enable_registration_without_verification, to start",
        honoured=True,
    ),
    Option("enable_registration_without_verification", BOOL, False, "Allow fully open registration", honoured=True),
    Option(
        "registrations_require_3pid",
        list_of(one_of("email", "msisdn")),
        [],
        "3PIDs that must be supplied: email",
        honoured=True,
    ),
    Option(
        "disable_msisdn_registration",
        BOOL,
        False,
        "Never ask for a phone number",
        not_applicable="nobody is asked for a phone number here",
    ),
    Option("allowed_local_3pids", LIST, None, "Allowed 3PID patterns", honoured=True),
    Option("allowed_local_3pids[].medium", one_of("email", "msisdn"), None, "Medium", required=True, honoured=True),
    Option("allowed_local_3pids[].pattern", REGEX, None, "Pattern", required=True, honoured=True),
    Option("enable_3pid_lookup", BOOL, True, "Look up 3PIDs at identity servers"),
    Option("registration_requires_token", BOOL, False, "Require an m.login.registration_token", honoured=True),
    Option("registration_shared_secret", STRING, None, "Secret for /_synapse/admin/v1/register", honoured=True),
    Option("registration_shared_secret_path", PATH, None, "File with that secret, created if missing", honoured=True),
    Option("bcrypt_rounds", BCRYPT_ROUNDS, 12, "Work factor", honoured=True),
    Option("allow_guest_access", BOOL, False, "Guest accounts allowed", honoured=True),
    Option(
        "default_identity_server", URL, None, "Suggested in well-known; ignored without public_baseurl", honoured=True
    ),
    Option(
        "account_threepid_delegates.msisdn",
        URL,
        None,
        "Identity server that sends SMS",
    ),
    Option("enable_set_displayname", BOOL, True, "Users may change display name", honoured=True),
    Option("enable_set_avatar_url", BOOL, True, "Users may change avatar", honoured=True),
    Option(
        "enable_3pid_changes", BOOL, True, "Users may change 3PIDs (there is none to be changed yet)", honoured=True
    ),
    Option("auto_join_rooms", list_of(STRING), [], "Rooms joined on registration", honoured=True),
    Option("autocreate_auto_join_rooms", BOOL, True, "Create them for the first user", honoured=True),
    Option("autocreate_auto_join_rooms_federated", BOOL, True, "m.federate of created rooms", honoured=True),
    Option(
        "autocreate_auto_join_room_preset",
        one_of("public_chat", "private_chat", "trusted_private_chat"),
        "public_chat",
        "Preset of created rooms",
        honoured=True,
    ),
    Option(
        "auto_join_mxid_localpart",
        STRING,
        None,
        "User creating / inviting; required for the private presets",
        honoured=True,
    ),
    Option("auto_join_rooms_for_guests", BOOL, True, "Guests auto-join too", honoured=True),
    Option(
        "inhibit_user_in_use_error",
        BOOL,
        False,
        "/register/available always says available; conflict only at completion",
        honoured=True,
    ),
    Option("session_lifetime", LIFETIME, None, "Total life of a login", honoured=True),
    Option(
        "refreshable_access_token_lifetime",
        DURATION,
        "5m",
        "Life of an access token that comes with a refresh token",
        honoured=True,
    ),
    Option("refresh_token_lifetime", LIFETIME, None, "Refresh token life", honoured=True),
    Option(
        "nonrefreshable_access_token_lifetime",
        LIFETIME,
        None,
        "Access token life without refresh tokens",
        honoured=True,
    ),
    Option("user_types", SECTION, None, "User types feature"),
    Option("user_types.default_user_type", STRING, None, "Type given to new users"),
    Option("user_types.extra_user_types", list_of(STRING), [], "Further allowed types"),
    Option("allow_underscore_prefixed_registration", BOOL, False, "Allow localparts starting with _", honoured=True),
    Option("login_via_existing_session", SECTION, None, "POST /login/get_token (MSC3882)", honoured=True),
    Option("login_via_existing_session.enabled", BOOL, False, "On/off", honoured=True),
    Option("login_via_existing_session.require_ui_auth", BOOL, True, "Require UIA", honoured=True),
    Option("login_via_existing_session.token_timeout", DURATION, "5m", "Token life", honoured=True),
)
