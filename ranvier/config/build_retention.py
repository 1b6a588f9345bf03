"""`retention` as a typed object."""

from typing import Final

from ranvier.config.retention_sections import PurgeJob, RetentionConfig
from ranvier.config.values import Values

DAILY: Final = PurgeJob(interval_ms=24 * 3_600_000, shortest_ms=None, longest_ms=None)


def build_retention(values: Values) -> RetentionConfig | None:
    """`None` if it is not enabled; mistakes are noted all the same."""
    jobs = tuple(_job(entry) for entry in values.items("retention.purge_jobs"))
    lowest = values.integer_or_none("retention.allowed_lifetime_min")
    highest = values.integer_or_none("retention.allowed_lifetime_max")
    if lowest is not None and highest is not None and lowest > highest:
        values.error("retention.allowed_lifetime_min", "is longer than allowed_lifetime_max")
    default_min = values.integer_or_none("retention.default_policy.min_lifetime")
    default_max = values.integer_or_none("retention.default_policy.max_lifetime")
    if default_min is not None and default_max is not None and default_min > default_max:
        values.error("retention.default_policy.min_lifetime", "is longer than max_lifetime")
    if not values.boolean("retention.enabled"):
        return None
    return RetentionConfig(
        default_max_ms=default_max, allowed_min_ms=lowest, allowed_max_ms=highest, jobs=jobs or (DAILY,)
    )


def _job(entry: Values) -> PurgeJob:
    interval = entry.integer_or_none("interval") or DAILY.interval_ms
    shortest = entry.integer_or_none("shortest_max_lifetime")
    longest = entry.integer_or_none("longest_max_lifetime")
    if shortest is not None and longest is not None and shortest > longest:
        entry.error("shortest_max_lifetime", "is longer than longest_max_lifetime")
    return PurgeJob(interval_ms=interval, shortest_ms=shortest, longest_ms=longest)
