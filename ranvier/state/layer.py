"""One stored difference, decoded as far as somebody has asked."""

from bisect import bisect_right
from collections.abc import Collection, Iterator

from ranvier.state import codec


class Layer:
    """What a state has that its base has not; a value of 0 says that the key is removed."""

    __slots__ = ("_chunks", "_entries", "_first_keys", "base_no", "depth", "fingerprint", "state_no")

    def __init__(
        self,
        *,
        state_no: int,
        base_no: int,
        depth: int,
        fingerprint: int,
        entries: dict[int, int] | None = None,
        chunks: list[tuple[int, bytes]] | None = None,
    ) -> None:
        self.state_no = state_no
        self.base_no = base_no
        self.depth = depth
        self.fingerprint = fingerprint
        self._entries = entries
        self._first_keys = [first for first, _ in chunks or ()]
        self._chunks: list[bytes | dict[int, int]] = [data for _, data in chunks or ()]

    def get(self, key: int) -> int | None:
        """The event number of a key, 0 if it is removed, `None` if this layer does not say."""
        if self._entries is not None:
            return self._entries.get(key)
        at = bisect_right(self._first_keys, key) - 1
        return None if at < 0 else self._chunk(at).get(key)

    def find(self, keys: Collection[int]) -> dict[int, int]:
        """What this layer says of these keys."""
        found = {}
        for key in keys:
            value = self.get(key)
            if value is not None:
                found[key] = value
        return found

    def entries(self) -> dict[int, int]:
        """Everything; not to be changed."""
        if self._entries is None:
            self._entries = {}
            for at in range(len(self._chunks)):
                self._entries |= self._chunk(at)
            self._chunks, self._first_keys = [], []
        return self._entries

    def below(self, limit: int) -> Iterator[tuple[int, int]]:
        """Entries whose keys are less than `limit`, decoding no more than needed."""
        if self._entries is not None:
            yield from ((key, value) for key, value in self._entries.items() if key < limit)
            return
        for at, first in enumerate(self._first_keys):
            if first >= limit:
                return
            yield from ((key, value) for key, value in self._chunk(at).items() if key < limit)

    @property
    def size(self) -> int:
        """Entries held, roughly."""
        return len(self._entries) if self._entries is not None else 128 * len(self._chunks)

    def _chunk(self, at: int) -> dict[int, int]:
        chunk = self._chunks[at]
        if isinstance(chunk, dict):
            return chunk
        decoded = self._chunks[at] = codec.decode(chunk)
        return decoded
