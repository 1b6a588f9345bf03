"""What the configuration says about how long things are kept: frozen, typed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeJob:
    """One entry of `retention.purge_jobs`: which rooms' messages are deleted, and how often it is looked for them."""

    interval_ms: int
    shortest_ms: int | None
    """Only rooms whose messages live longer than this."""
    longest_ms: int | None
    """Only rooms whose messages live no longer than this."""

    def concerns(self, lifetime_ms: int) -> bool:
        """Whether rooms whose messages live so long are among them."""
        return (self.shortest_ms is None or lifetime_ms > self.shortest_ms) and (
            self.longest_ms is None or lifetime_ms <= self.longest_ms
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """`retention`, where it is enabled."""

    default_max_ms: int | None
    """For rooms that say nothing; `None`: what is said there is kept for ever."""
    allowed_min_ms: int | None
    allowed_max_ms: int | None
    jobs: tuple[PurgeJob, ...]
