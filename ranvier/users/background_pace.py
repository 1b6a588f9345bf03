"""How much of a background update is done at a time, so that it takes about as long as the configuration says.

Configuration: `background_updates`. Pure.
"""

from ranvier.config.operating_sections import BackgroundUpdatesConfig


class Pace:
    """The pace of one update: measured, and followed."""

    def __init__(self, config: BackgroundUpdatesConfig) -> None:
        self._config = config
        self._items = 0
        self._took_ms = 0.0

    @property
    def size(self) -> int:
        """How many items should be done next."""
        least = self._config.min_batch_size
        if not self._items or not self._took_ms:
            return max(least, self._config.default_batch_size)
        return max(least, round(self._items / self._took_ms * self._config.duration_ms))

    def count(self, items: int, took_ms: float) -> None:
        """What has been done. What is long ago counts less: a server has busy hours and others."""
        self._items = self._items // 2 + items
        self._took_ms = self._took_ms / 2 + took_ms
