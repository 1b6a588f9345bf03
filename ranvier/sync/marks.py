"""When each of many things last changed, so that those that changed since a position are found without looking at all."""

from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K", int, str)


class Marks(Generic[K]):
    """Positions by key; marked in the order of their stream."""

    __slots__ = ("_at", "complete_after", "newest")

    def __init__(self) -> None:
        self._at: dict[K, int] = {}
        self.newest = 0
        """Nothing has changed after this position."""
        self.complete_after = 0
        """What changed after this position is marked; what changed before it may not be."""

    def begin(self, pos: int) -> None:
        """Everything that changes after `pos` is going to be marked; what came before may not have been."""
        self.complete_after = pos
        self.newest = max(self.newest, pos)

    def touch(self, key: K, pos: int) -> None:
        """The thing has changed at `pos`."""
        standing = self._at.pop(key, -1)
        self._at[key] = max(standing, pos)
        self.newest = max(self.newest, pos)

    def get(self, key: K) -> int:
        """When the thing last changed; -1 if that is not known."""
        return self._at.get(key, -1)

    def forget(self, key: K) -> None:
        """The thing is of no interest any more."""
        self._at.pop(key, None)

    def after(self, pos: int) -> Iterator[K]:
        """What has changed after `pos`, the newest first. Costs what it yields. Do not touch anything meanwhile."""
        for key in reversed(self._at):
            if self._at[key] <= pos:
                return
            yield key

    def has_after(self, pos: int) -> bool:
        """Whether something may have changed after `pos`."""
        return self.newest > pos or pos < self.complete_after

    def all(self) -> list[K]:
        """Every key."""
        return list(self._at)

    def sort(self) -> None:
        """Restore the order after marks were made in another one."""
        self._at = dict(sorted(self._at.items(), key=lambda item: item[1]))
