"""`retention`: its jobs, and what cannot be."""

import pytest

from ranvier.config.load import ConfigError, from_yaml_text, parse
from ranvier.config.retention_sections import PurgeJob

HOUR_MS = 3_600_000


def test_without_jobs_there_is_a_daily_one_for_all_rooms() -> None:
    retention = parse({"server_name": "example.org", "retention": {"enabled": True}}).retention
    assert retention is not None
    assert retention.jobs == (PurgeJob(interval_ms=24 * HOUR_MS, shortest_ms=None, longest_ms=None),)
    assert retention.default_max_ms is None


def test_bounds_of_jobs() -> None:
    jobs = [{"longest_max_lifetime": "3d", "interval": "12h"}, {"shortest_max_lifetime": "3d", "interval": "1d"}]
    retention = parse({"server_name": "example.org", "retention": {"enabled": True, "purge_jobs": jobs}}).retention
    assert retention is not None
    short, long = retention.jobs
    assert (short.interval_ms, long.interval_ms) == (12 * HOUR_MS, 24 * HOUR_MS)
    assert [(short.concerns(ms), long.concerns(ms)) for ms in (1, 72 * HOUR_MS, 72 * HOUR_MS + 1)] == [
        (True, False),
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize(
    ("retention", "problem"),
    [
        ("allowed_lifetime_min: 2d\n  allowed_lifetime_max: 1d", "retention.allowed_lifetime_min: is longer"),
        ("default_policy: {min_lifetime: 2d, max_lifetime: 1d}", "retention.default_policy.min_lifetime: is longer"),
        ("purge_jobs: [{longest_max_lifetime: 3d}]", "retention.purge_jobs[0].interval: is required"),
        (
            "purge_jobs: [{interval: 1d, shortest_max_lifetime: 2d, longest_max_lifetime: 1d}]",
            "retention.purge_jobs[0].shortest_max_lifetime: is longer",
        ),
    ],
)
def test_mistakes(retention: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        from_yaml_text(f"server_name: test\nretention:\n  enabled: true\n  {retention}\n")
    (error,) = raised.value.errors
    assert problem in error
