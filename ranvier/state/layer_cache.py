"""Layers and chunks of states in memory: what was used last, of one room or of many."""

from collections import OrderedDict
from typing import Final

from ranvier.state.layer import Layer

ENTRIES_OF_ONE_ROOM: Final = 20_000


class LayerCache:
    """Bounded by `limit`, a number of entries (about 100 bytes each). Holds only what the database holds too."""

    def __init__(self, limit: int = ENTRIES_OF_ONE_ROOM) -> None:
        self.limit = limit
        self.size = 0
        self._layers: OrderedDict[tuple[int, int, int], tuple[Layer | dict[int, int], int]] = OrderedDict()

    def layer(self, room_nid: int, state_no: int) -> Layer | None:
        """A layer, without its chunks."""
        found = self._get(room_nid, state_no, -1)
        return found if isinstance(found, Layer) else None

    def chunk(self, room_nid: int, state_no: int, first_key: int) -> dict[int, int] | None:
        """The entries of a chunk, not to be changed."""
        found = self._get(room_nid, state_no, first_key)
        return found if isinstance(found, dict) else None

    def keep_layer(self, room_nid: int, layer: Layer) -> None:
        """Remember a layer."""
        self._put((room_nid, layer.state_no, -1), layer, layer.size)

    def keep_chunk(self, room_nid: int, state_no: int, first_key: int, entries: dict[int, int]) -> None:
        """Remember a chunk."""
        self._put((room_nid, state_no, first_key), entries, len(entries))

    def discard(self, room_nid: int, state_nos: set[int]) -> None:
        """Forget states that are no longer in the database."""
        for key in [key for key in self._layers if key[0] == room_nid and key[1] in state_nos]:
            self.size -= self._layers.pop(key)[1]

    def _get(self, room_nid: int, state_no: int, first_key: int) -> Layer | dict[int, int] | None:
        key = (room_nid, state_no, first_key)
        found = self._layers.get(key)
        if found is None:
            return None
        self._layers.move_to_end(key)
        return found[0]

    def _put(self, key: tuple[int, int, int], value: Layer | dict[int, int], size: int) -> None:
        before = self._layers.pop(key, None)
        self.size += size - (0 if before is None else before[1])
        self._layers[key] = (value, size)
        while self.size > self.limit and len(self._layers) > 1:
            _, (_, freed) = self._layers.popitem(last=False)
            self.size -= freed
