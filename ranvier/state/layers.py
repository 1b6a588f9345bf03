"""The layers of one room's states: from memory, and from the database what is not there.

A layer that is not committed yet is *pending*: it stays in memory, whole. Everything else may leave at any time.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from ranvier.db.engine import Reader, Row
from ranvier.state import codec
from ranvier.state.layer import Layer, layer_of
from ranvier.state.layer_cache import LayerCache
from ranvier.store import state_history

ALL_KEYS: Final = 1 << 62
"""Above every key."""

_CACHED_SHARE: Final = 8
"""What would take more than this part of the cache is not put there, so that one reader does not empty it."""

Place = tuple[int, int]
"""A chunk: `(state_no, first_key)`."""

Chunks = dict[Place, dict[int, int]]


class Layers:
    """Reads the layers of one room."""

    def __init__(self, reader: Reader, room_nid: int, *, cache: LayerCache) -> None:
        self._reader = reader
        self.room_nid = room_nid
        self._cache = cache
        self.pending: dict[int, Layer] = {}
        """Layers that only memory holds, by number."""

    async def stack(self, state_no: int) -> list[Layer]:
        """The layers of a state, the newest first. At most one statement. Raises `LookupError` for no state of ours."""
        layers: list[Layer] = []
        at = state_no
        while at:
            layer = self.pending.get(at) or self._cache.layer(self.room_nid, at)
            if layer is None:
                loaded = [layer_of(row) for row in await state_history.stack(self._reader, self.room_nid, at)]
                if not loaded:
                    raise LookupError(f"room {self.room_nid} has no state {at}")
                for layer in loaded:
                    self._cache.keep_layer(self.room_nid, layer)
                return layers + loaded
            layers.append(layer)
            at = layer.base_no
        return layers

    async def values(self, stack: Sequence[Layer], keys: Collection[int]) -> dict[int, int]:
        """What a state holds for these keys, 0 for nothing. At most one statement."""
        met: Chunks = {}
        while True:
            found, unread = self._look_up(stack, keys, met)
            if not unread:
                return found
            # Once; again only if a commit has let go of a layer meanwhile.
            rows = await state_history.chunks(
                self._reader, self.room_nid, {no for no, _ in unread}, {first for _, first in unread}
            )
            met |= self._decoded(rows, unread)

    async def entries(self, layers: Sequence[Layer]) -> list[dict[int, int]]:
        """Everything that each of these layers says. At most one statement."""
        return await self.entries_below(layers, ALL_KEYS)

    async def entries_below(self, layers: Sequence[Layer], limit: int) -> list[dict[int, int]]:
        """What each of these layers says of the keys below `limit`, and perhaps of more. At most one statement."""
        known = [layer.entries for layer in layers]
        large = [layer for layer, entries in zip(layers, known, strict=True) if entries is None]
        chunks = await self._chunks_below(large, limit) if large else {}
        return [
            _joined(layer, chunks, limit) if entries is None else entries
            for layer, entries in zip(layers, known, strict=True)
        ]

    def committed(self, up_to_state_no: int) -> None:
        """Layers up to this number are in the database: they may leave memory."""
        for state_no in [no for no in self.pending if no <= up_to_state_no]:
            layer = self.pending.pop(state_no)
            layer.let_go()
            self._cache.keep_layer(self.room_nid, layer)

    def discard(self, state_nos: set[int]) -> None:
        """These states have been removed from the database."""
        self._cache.discard(self.room_nid, state_nos)

    def _look_up(self, stack: Sequence[Layer], keys: Collection[int], met: Chunks) -> tuple[dict[int, int], set[Place]]:
        """The values, and which chunks would have to be read to be sure of them. Adds to `met` what the cache has."""
        found, unread = dict.fromkeys(keys, 0), set[Place]()
        for key in keys:
            for layer in stack:
                entries = layer.entries
                if entries is None:
                    first = layer.chunk_of(key)
                    if first is None:
                        continue
                    entries = self._in_memory((layer.state_no, first), met)
                    if entries is None:
                        unread.add((layer.state_no, first))
                        continue
                value = entries.get(key)
                if value is not None:
                    found[key] = value
                    break
        return found, unread

    async def _chunks_below(self, layers: Iterable[Layer], limit: int) -> Chunks:
        met: Chunks = {}
        wanted = {(layer.state_no, first) for layer in layers for first in layer.first_keys if first < limit}
        unread = {place for place in wanted if self._in_memory(place, met) is None}
        if unread:
            rows = await state_history.chunks_below(self._reader, self.room_nid, {no for no, _ in unread}, limit)
            met |= self._decoded(rows, unread)
        return met

    def _in_memory(self, place: Place, met: Chunks) -> dict[int, int] | None:
        """A chunk's entries, written down in `met` too: the cache may lose them before they are used."""
        entries = met.get(place)
        if entries is None:
            entries = self._cache.chunk(self.room_nid, *place)
            if entries is not None:
                met[place] = entries
        return entries

    def _decoded(self, rows: Iterable[Row], unread: set[Place]) -> Chunks:
        chunks = {(no, first): codec.decode(delta) for no, first, delta in rows if (no, first) in unread}
        if len(chunks) * codec.MAX_ENTRIES <= self._cache.limit // _CACHED_SHARE:
            for (state_no, first), entries in chunks.items():
                self._cache.keep_chunk(self.room_nid, state_no, first, entries)
        return chunks


def _joined(layer: Layer, chunks: Mapping[Place, dict[int, int]], limit: int) -> dict[int, int]:
    entries: dict[int, int] = {}
    for first in layer.first_keys:
        if first < limit:
            entries |= chunks[layer.state_no, first]
    if limit == ALL_KEYS:
        layer.hold(entries)
    return entries
