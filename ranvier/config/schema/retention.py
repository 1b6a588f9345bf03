"""Options: how long things are kept."""

from ranvier.config.kinds import BOOL, DURATION, DURATION_OR_NULL, LIST
from ranvier.config.option import Option

OPTIONS = (
    Option(
        "redaction_retention_period",
        DURATION_OR_NULL,
        "7d",
        "Keep originals of redacted events this long; checked every 5 minutes; null = for ever",
        honoured=True,
    ),
    Option("user_ips_max_age", DURATION_OR_NULL, "28d", "Keep last-seen IPs this long", honoured=True),
    Option("retention.enabled", BOOL, False, "Turn on message retention", honoured=True),
    Option("retention.default_policy.min_lifetime", DURATION, None, "Default min (not enforced)", honoured=True),
    Option(
        "retention.default_policy.max_lifetime",
        DURATION,
        None,
        "Default max lifetime for rooms without m.room.retention",
        honoured=True,
    ),
    Option("retention.allowed_lifetime_min", DURATION, None, "Lower clamp of room policies", honoured=True),
    Option("retention.allowed_lifetime_max", DURATION, None, "Upper clamp of room policies", honoured=True),
    Option(
        "retention.purge_jobs", LIST, [], "Purge schedules; one daily job for all rooms when not set", honoured=True
    ),
    Option(
        "retention.purge_jobs[].shortest_max_lifetime",
        DURATION,
        None,
        "Rooms whose max_lifetime is above this",
        honoured=True,
    ),
    Option(
        "retention.purge_jobs[].longest_max_lifetime",
        DURATION,
        None,
        "Rooms whose max_lifetime is at most this",
        honoured=True,
    ),
    Option("retention.purge_jobs[].interval", DURATION, None, "How often the job runs", required=True, honoured=True),
    Option(
        "forgotten_room_retention_period",
        DURATION_OR_NULL,
        None,
        "Purge locally forgotten rooms after this",
        honoured=True,
    ),
)
