"""Options: limits on users and on remote rooms."""

from ranvier.config.kinds import BOOL, COUNT, FLOAT, LIST, STRING, map_of, one_of
from ranvier.config.option import Option

OPTIONS = (
    Option("admin_contact", STRING, None, "Contact returned in resource-limit errors", honoured=True),
    Option("hs_disabled", BOOL, False, "Refuse client use of the server", honoured=True),
    Option("hs_disabled_message", STRING, None, "Reason given when hs_disabled", honoured=True),
    Option("limit_usage_by_mau", BOOL, False, "Enforce max_mau_value with M_RESOURCE_LIMIT_EXCEEDED", honoured=True),
    Option("max_mau_value", COUNT, 0, "Hard limit of monthly active users", honoured=True),
    Option("mau_trial_days", COUNT, 0, "Days of activity before a user counts", honoured=True),
    Option("mau_appservice_trial_days", map_of(COUNT), {}, "Same per application service", honoured=True),
    Option(
        "mau_limit_alerting",
        BOOL,
        True,
        "Raise client-side alerts on reaching the limit; needs server_notices",
        honoured=True,
    ),
    Option("mau_stats_only", BOOL, False, "Record MAU metrics without limiting", honoured=True),
    Option("mau_limit_reserved_threepids", LIST, [], "3PIDs whose accounts are never blocked", honoured=True),
    Option(
        "mau_limit_reserved_threepids[].medium",
        one_of("email", "msisdn"),
        None,
        "3PID medium",
        required=True,
        honoured=True,
    ),
    Option("mau_limit_reserved_threepids[].address", STRING, None, "3PID address", required=True, honoured=True),
    Option(
        "server_context",
        STRING,
        None,
        "Group label in phone-home stats",
        not_applicable="this server tells nobody how it is used, so there is nothing to put into a group",
    ),
    Option("limit_remote_rooms.enabled", BOOL, False, "Check room complexity before/after remote joins", honoured=True),
    Option(
        "limit_remote_rooms.complexity",
        FLOAT,
        1.0,
        "Complexity above which joins are refused (state events / 500)",
        honoured=True,
    ),
    Option("limit_remote_rooms.complexity_error", STRING, None, "Error text override", honoured=True),
    Option("limit_remote_rooms.admins_can_join", BOOL, False, "Admins exempt", honoured=True),
)
