"""Options: user directory, consent, notices and statistics of rooms."""

from ranvier.config.kinds import BOOL, OBJECT, PATH, STRING, TEXT_OR_NUMBER
from ranvier.config.option import Option

OPTIONS = (
    Option("user_directory.enabled", BOOL, True, "User directory search on", honoured=True),
    Option(
        "user_directory.search_all_users",
        BOOL,
        False,
        "true: everybody known to the server; false: public-room members and users sharing a room",
        honoured=True,
    ),
    Option("user_directory.prefer_local_users", BOOL, False, "Rank local users first", honoured=True),
    Option("user_consent.template_dir", PATH, None, "Templates per language", honoured=True),
    Option("user_consent.version", TEXT_OR_NUMBER, None, "Current policy version", honoured=True),
    Option(
        "user_consent.server_notice_content",
        OBJECT,
        None,
        "Content of the notice that asks for consent; %(consent_uri)s in it is the user's own link",
        honoured=True,
    ),
    Option("user_consent.send_server_notice_to_guests", BOOL, False, "Ask guests too", honoured=True),
    Option(
        "user_consent.block_events_error",
        STRING,
        None,
        "Nobody joins or sends before they have agreed: this text tells them so",
        honoured=True,
    ),
    Option("user_consent.require_at_registration", BOOL, False, "m.login.terms stage at registration", honoured=True),
    Option("user_consent.policy_name", STRING, "Privacy Policy", "Name shown at registration", honoured=True),
    Option(
        "stats.enabled",
        BOOL,
        True,
        "Local room/user statistics",
        not_applicable="nothing is gathered: what is told of rooms and users is counted when somebody asks",
    ),
    Option("server_notices.system_mxid_localpart", STRING, None, "Local part of the sender of notices", honoured=True),
    Option("server_notices.system_mxid_display_name", STRING, "Notices", "Display name", honoured=True),
    Option("server_notices.system_mxid_avatar_url", STRING, None, "Avatar", honoured=True),
    Option("server_notices.room_name", STRING, "Server Notices", "Room name", honoured=True),
    Option("user_directory.exclude_remote_users", BOOL, False, "Only local results", honoured=True),
    Option("user_directory.show_locked_users", BOOL, False, "Show locked users", honoured=True),
    Option("server_notices.room_avatar_url", STRING, None, "Room avatar", honoured=True),
    Option("server_notices.room_topic", STRING, None, "Room topic", honoured=True),
    Option(
        "server_notices.auto_join", BOOL, False, "Join users to the room instead of only inviting them", honoured=True
    ),
)
