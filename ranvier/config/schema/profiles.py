"""Options: profiles and presence."""

from ranvier.config.kinds import BOOL, DURATION, SIZE, STRING, list_of, one_of
from ranvier.config.option import Option

OPTIONS = (
    Option(
        "presence.enabled",
        one_of(True, False, "untracked"),
        True,
        "Track presence at all (replaces legacy use_presence)",
        honoured=True,
    ),
    Option(
        "require_auth_for_profile_requests",
        BOOL,
        False,
        "Need an access token to read profiles over the CS API",
        honoured=True,
    ),
    Option(
        "limit_profile_requests_to_users_who_share_rooms",
        BOOL,
        False,
        "CS profile reads need a shared room",
        honoured=True,
    ),
    Option(
        "include_profile_data_on_invite",
        BOOL,
        True,
        "Put the inviter-side profile of the invitee into invite events",
        honoured=True,
    ),
    Option("allow_per_room_profiles", BOOL, True, "Member events may differ from the global profile", honoured=True),
    Option("max_avatar_size", SIZE, None, "Largest avatar", honoured=True),
    Option("allowed_avatar_mimetypes", list_of(STRING), None, "Allowed avatar MIME types", honoured=True),
    Option("allow_profile_lookup_over_federation", BOOL, True, "Answer federation profile queries", honoured=True),
    Option(
        "presence.include_offline_users_on_sync",
        BOOL,
        False,
        "Send offline users on initial/full_state sync",
        honoured=True,
    ),
    Option("presence.last_active_granularity", DURATION, "1m", 'How long "currently active" lasts', honoured=True),
    Option(
        "presence.sync_online_timeout",
        DURATION,
        "30s",
        "Time after last sync before offline; must exceed the rc_presence interval",
        honoured=True,
    ),
    Option(
        "presence.idle_timeout",
        DURATION,
        "5m",
        "Time before unavailable; must exceed last_active_granularity",
        honoured=True,
    ),
)
