"""Options: rate limits."""

from dataclasses import replace

from ranvier.config.kinds import COUNT, RATE, SECTION
from ranvier.config.option import Option

_OPTIONS = (
    Option("rc_message", RATE, {"per_second": 0.2, "burst_count": 10}, "Sending, per account", honoured=True),
    Option("rc_registration", RATE, {"per_second": 0.17, "burst_count": 3}, "Registration, per IP", honoured=True),
    Option(
        "rc_registration_token_validity",
        RATE,
        {"per_second": 0.1, "burst_count": 5},
        "Token validity checks, per IP",
        honoured=True,
    ),
    Option("rc_login.address", RATE, {"per_second": 0.17, "burst_count": 3}, "Login, per IP", honoured=True),
    Option(
        "rc_login.account", RATE, {"per_second": 0.17, "burst_count": 3}, "Login, per target account", honoured=True
    ),
    Option(
        "rc_login.failed_attempts",
        RATE,
        {"per_second": 0.17, "burst_count": 3},
        "Failed logins per account",
        honoured=True,
    ),
    Option(
        "rc_admin_redaction",
        RATE,
        None,
        "Redactions by room admins; as rc_message, in the same bucket, when not set",
        honoured=True,
    ),
    Option(
        "rc_joins.local", RATE, {"per_second": 0.1, "burst_count": 10}, "Joins to rooms the server is in", honoured=True
    ),
    Option(
        "rc_joins.remote",
        RATE,
        {"per_second": 0.01, "burst_count": 10},
        "Joins to rooms the server is not in",
        honoured=True,
    ),
    Option(
        "rc_joins_per_room",
        RATE,
        {"per_second": 1, "burst_count": 10},
        "Joins (local or remote) per room",
        honoured=True,
    ),
    Option(
        "rc_3pid_validation",
        RATE,
        {"per_second": 0.003, "burst_count": 5},
        "3PID validation per user or IP",
        honoured=True,
    ),
    Option(
        "rc_invites.per_room",
        RATE,
        {"per_second": 0.3, "burst_count": 10},
        "Invites per room (also counts invites in createRoom)",
        honoured=True,
    ),
    Option(
        "rc_invites.per_user",
        RATE,
        {"per_second": 0.003, "burst_count": 5},
        "Invites per receiver (also federation invites)",
        honoured=True,
    ),
    Option("rc_invites.per_issuer", RATE, {"per_second": 0.3, "burst_count": 10}, "Invites per sender", honoured=True),
    Option(
        "rc_third_party_invite", RATE, {"per_second": 0.2, "burst_count": 10}, "3PID invites per sender", honoured=True
    ),
    Option("rc_federation.window_size", COUNT, 1000, "Sliding window", honoured=True),
    Option("rc_federation.sleep_limit", COUNT, 10, "Requests per window before delaying", honoured=True),
    Option("rc_federation.sleep_delay", COUNT, 500, "Delay", honoured=True),
    Option(
        "rc_federation.reject_limit", COUNT, 50, "Concurrent queued requests per origin before rejection", honoured=True
    ),
    Option("rc_federation.concurrent", COUNT, 3, "Requests processed at once per origin", honoured=True),
    Option(
        "rc_key_requests",
        RATE,
        {"per_second": 20, "burst_count": 100},
        "Outgoing signing-key requests per origin (undocumented)",
        not_applicable="nobody is asked for keys more than once in half a minute, whoever makes us ask",
    ),
    Option(
        "rc_media_create",
        RATE,
        {"per_second": 10.0, "burst_count": 50.0},
        "POST /media/v1/create per user",
        honoured=True,
    ),
    Option("rc_presence", SECTION, None, "Presence updates", honoured=True),
    Option(
        "rc_presence.per_user",
        RATE,
        {"per_second": 0.1, "burst_count": 1},
        "Presence updates of one user",
        honoured=True,
    ),
    Option("rc_delayed_event_mgmt", RATE, {"per_second": 1.0, "burst_count": 5.0}, "Managing delayed events"),
    Option("rc_reports", RATE, {"per_second": 1.0, "burst_count": 5.0}, "Reporting content", honoured=True),
    Option(
        "rc_room_creation", RATE, {"per_second": 0.016, "burst_count": 10.0}, "Room creation per user", honoured=True
    ),
    Option(
        "rc_user_directory",
        RATE,
        {"per_second": 0.016, "burst_count": 200.0},
        "User directory search per user",
        honoured=True,
    ),
)

# Redactions by admins share a bucket with messages where they have no limit: which bucket is settled at the start.
OPTIONS = tuple(
    replace(option, reloadable=option.kind is RATE and option.path != "rc_admin_redaction") for option in _OPTIONS
)
