"""The states a room has been in, and what each has that another has not.

Skip-deltas: every state has a depth (its number of changes, roughly) and a base, the ancestor whose depth is its own with
the lowest non-zero base-4 digit cleared; its row holds what has changed since the base. So a state is a short stack of
layers, one a digit; writing costs a few entries a change; and the difference of two states is found by stepping the
deeper of the two to its base until they meet. A change of many keys first rounds the depth up, so that it gets a layer of
its own level and is not written again by the small changes that follow. Depths are compared, never numbers: branches and
history that is fetched later do not come in the order of their numbers.

State 0 is the empty state. One `RoomHistory` a room, owned by its writer, gives out the numbers.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from ranvier.db.engine import Reader
from ranvier.state import codec
from ranvier.state.layer import Layer
from ranvier.store import state_history
from ranvier.store.state_history import CHUNK, StateRows
from ranvier.store.state_keys import MEMBER_KEYS

REMEMBERED: Final = 200_000
"""Entries of layers that a room keeps in memory."""

__all__ = ["Derived", "RoomHistory", "StateRows"]


@dataclass(frozen=True, slots=True)
class Derived:
    """A new state."""

    state_no: int
    rows: StateRows
    """To be stored in the transaction of the event that needs it."""


class RoomHistory:
    """The states of one room."""

    def __init__(self, reader: Reader, room_nid: int, *, last_no: int, remembered: int = REMEMBERED) -> None:
        self._reader = reader
        self.room_nid = room_nid
        self._last_no = last_no
        self._durable_no = last_no
        self._remembered = remembered
        self._layers: OrderedDict[int, Layer] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self._size = 0

    @classmethod
    async def load(cls, reader: Reader, room_nid: int, *, remembered: int = REMEMBERED) -> "RoomHistory":
        """The history of a room, which may have none yet. One statement."""
        last_no = await state_history.greatest_state_no(reader, room_nid)
        return cls(reader, room_nid, last_no=last_no, remembered=remembered)

    async def root(self, state: Mapping[int, int]) -> Derived:
        """A state that is based on no other: the first of a room."""
        return self._new(base_no=0, depth=0, entries=dict(state), fingerprint=_fingerprint(0, state.items(), ()))

    async def derive(self, base_no: int, changes: Mapping[int, int]) -> Derived:
        """The state that differs from `base_no` in `changes`: `key_id -> event_nid`, where 0 removes.

        Reads nothing where the layers of `base_no` are in memory, as they are at the tip of the room.
        """
        if base_no == 0:
            return await self.root({key: nid for key, nid in changes.items() if nid})
        layers = await self._stack(base_no)
        before = {key: _value(layers, key) for key in changes}
        fingerprint = _fingerprint(layers[0].fingerprint, changes.items(), before.items())
        depth = _depth_after(layers[0].depth, len(changes))
        target = _base_depth(depth)
        merged = dict(changes)
        base = 0
        for layer in layers:
            if layer.depth <= target:
                base = layer.state_no
                break
            merged = layer.entries() | merged
        return self._new(base_no=base, depth=depth, entries=merged, fingerprint=fingerprint)

    async def load_state(self, state_no: int) -> dict[int, int]:
        """The whole state: `key_id -> event_nid`."""
        state: dict[int, int] = {}
        for layer in reversed(await self._stack(state_no)):
            state |= layer.entries()
        return {key: nid for key, nid in state.items() if nid}

    async def load_non_members(self, state_no: int) -> dict[int, int]:
        """The state without members."""
        state: dict[int, int] = {}
        for layer in reversed(await self._stack(state_no)):
            state.update(layer.below(MEMBER_KEYS))
        return {key: nid for key, nid in state.items() if nid}

    async def get(self, state_no: int, keys: Collection[int]) -> dict[int, int]:
        """Some entries of a state; those that it has not are missing."""
        layers = await self._stack(state_no)
        found = {key: _value(layers, key) for key in keys}
        return {key: nid for key, nid in found.items() if nid}

    async def difference(self, a: int, b: int) -> dict[int, tuple[int, int]]:
        """`key_id -> (event_nid in a, event_nid in b)` where they differ; 0 where the state has no such key."""
        if a == b:
            return {}
        stack_a, stack_b = await self._stack(a), await self._stack(b)
        keys = set[int]()
        at_a, at_b = list(reversed(stack_a)), list(reversed(stack_b))
        while at_a or at_b:
            if at_a and at_b and at_a[-1].state_no == at_b[-1].state_no:
                break
            deeper = at_a if at_a and (not at_b or at_a[-1].depth >= at_b[-1].depth) else at_b
            keys.update(deeper.pop().entries())
        values = {key: (_value(stack_a, key), _value(stack_b, key)) for key in keys}
        return {key: pair for key, pair in values.items() if pair[0] != pair[1]}

    async def fingerprint(self, state_no: int) -> int:
        """A number that equal states share, and different ones practically never."""
        return 0 if state_no == 0 else (await self._stack(state_no))[0].fingerprint

    def committed(self, up_to_state_no: int) -> None:
        """States up to this number are in the database; they may leave memory now."""
        self._durable_no = max(self._durable_no, up_to_state_no)
        self._shrink()

    def _new(self, *, base_no: int, depth: int, entries: dict[int, int], fingerprint: int) -> Derived:
        self._last_no += 1
        state_no = self._last_no
        rows = StateRows(last_state_no=state_no)
        delta = None
        if len(entries) <= CHUNK:
            delta = codec.encode(entries)
        else:
            keys = sorted(entries)
            for start in range(0, len(keys), CHUNK):
                part = {key: entries[key] for key in keys[start : start + CHUNK]}
                rows.chunks.append((self.room_nid, state_no, keys[start], codec.encode(part)))
        rows.states.append((self.room_nid, state_no, base_no, depth, fingerprint, delta))
        self._keep(Layer(state_no=state_no, base_no=base_no, depth=depth, fingerprint=fingerprint, entries=entries))
        return Derived(state_no, rows)

    async def _stack(self, state_no: int) -> list[Layer]:
        """The layers of a state, the newest first. At most one statement, and one for each large layer among them."""
        layers = []
        at = state_no
        while at:
            layer = self._layers.get(at)
            if layer is None:
                for loaded in await self._load(at):
                    self._keep(loaded)
                    layers.append(loaded)
                break
            self._layers.move_to_end(at)
            layers.append(layer)
            at = layer.base_no
        return layers

    async def _load(self, state_no: int) -> list[Layer]:
        layers = []
        for no, base_no, depth, fingerprint, delta in await state_history.stack(self._reader, self.room_nid, state_no):
            known = self._layers.get(no)
            layers.append(
                known
                or Layer(
                    state_no=no,
                    base_no=base_no,
                    depth=depth,
                    fingerprint=fingerprint,
                    entries=None if delta is None else codec.decode(delta),
                    chunks=await state_history.chunks(self._reader, self.room_nid, no) if delta is None else None,
                )
            )
        if not layers:
            raise LookupError(f"room {self.room_nid} has no state {state_no}")
        return layers

    def _keep(self, layer: Layer) -> None:
        if layer.state_no not in self._layers:
            self._layers[layer.state_no] = layer
            self._sizes[layer.state_no] = layer.size
            self._size += layer.size
            self._shrink()

    def _shrink(self) -> None:
        if self._size <= self._remembered:
            return
        for state_no in list(self._layers):
            if self._size <= self._remembered or len(self._layers) <= 1:
                return
            if state_no <= self._durable_no:
                del self._layers[state_no]
                self._size -= self._sizes.pop(state_no)


def _value(layers: Iterable[Layer], key: int) -> int:
    for layer in layers:
        value = layer.get(key)
        if value is not None:
            return value
    return 0


def _base_depth(depth: int) -> int:
    """`depth` with its lowest non-zero base-4 digit cleared; 0 for 0."""
    unit = 1
    while depth and depth // unit % 4 == 0:
        unit *= 4
    return depth - depth // unit % 4 * unit


def _depth_after(depth: int, changes: int) -> int:
    """The depth of a state with so many changes on one of this depth."""
    unit = 1
    while unit * 4 <= changes:
        unit *= 4
    return -(-(depth + 1) // unit) * unit


def _fingerprint(before: int, added: Iterable[tuple[int, int]], removed: Iterable[tuple[int, int]]) -> int:
    """The sum of the entries' hashes, kept as a signed 64-bit number."""
    total = before + sum(_hash(*entry) for entry in added) - sum(_hash(*entry) for entry in removed)
    total &= (1 << 64) - 1
    return total - (1 << 64) if total >> 63 else total


def _hash(key: int, nid: int) -> int:
    if nid == 0:
        return 0
    return int.from_bytes(blake2b(b"%d %d" % (key, nid), digest_size=8).digest(), "little")
