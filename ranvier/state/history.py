"""The states a room has been in, and what each has that another has not.

Skip-deltas: every state has a depth (its number of changes, roughly) and a base, the ancestor whose depth is its own
with the lowest non-zero base-4 digit cleared; its row holds what has changed since the base. So a state is a short
stack of layers, one a digit; writing costs a few entries a change; and the difference of two states is found by
stepping the deeper of the two to its base until they meet. Depths are compared, never numbers: branches and history
that is fetched later do not come in the order of their numbers. A state that can be derived never becomes a second
root: what it has in common with the others would be lost.

State 0 is the empty state. One `RoomHistory` a room, owned by its writer, gives out the numbers; others may read.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NewType

from ranvier.db.engine import Reader, Tx
from ranvier.state import codec
from ranvier.state.fingerprint import fingerprint_after
from ranvier.state.layer import Layer, base_depth, depth_after, layer_of
from ranvier.state.layer_cache import LayerCache
from ranvier.state.layers import Layers
from ranvier.store import state_history
from ranvier.store.state_history import StateRows
from ranvier.store.state_keys import MEMBER_KEYS

__all__ = ["Derived", "Prepared", "RoomHistory", "StateRows", "WholeState", "known_state"]

WholeState = NewType("WholeState", int)
"""The number of a state that is read with all its members: from `known_state`, or from `rooms.full_room.whole_state`. So
nobody forgets that of partially joined rooms not all of them are known.
"""

PORTION: Final = 4096
"""So many entries of a great state are worked on before others may go on."""


def known_state(state_no: int) -> WholeState:
    """To read as much of a state as is known, by somebody who can do without the rest, or knows that there is none."""
    return WholeState(state_no)


@dataclass(frozen=True, slots=True)
class Derived:
    """A state as it was asked for."""

    state_no: int
    rows: StateRows
    """To be stored in the transaction of the event that needs it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A great state that has been worked out, and has no number yet."""

    same_as: int | None
    """The number of the state that it was to be based on, if it does not differ from that."""
    base: Sequence[Layer]
    depth: int
    fingerprint: int
    entries: dict[int, int]
    delta: bytes
    chunks: Sequence[tuple[int, bytes]]


class RoomHistory:
    """The states of one room."""

    def __init__(self, *, layers: Layers, tip: Sequence[Layer]) -> None:
        self._layers = layers
        self._tip = list(tip)
        """The layers of the state that was made last, the newest first."""
        self._last_no = tip[0].state_no if tip else 0

    @classmethod
    async def load(cls, reader: Reader, room_nid: int, *, cache: LayerCache | None = None) -> "RoomHistory":
        """The history of a room, which may have none yet. One statement, none for a room without a number (0).

        A `cache` may be shared by the histories of many rooms; its size is then what all of them keep in memory.
        """
        rows = await state_history.newest_stack(reader, room_nid) if room_nid else []
        layers = Layers(reader, room_nid, cache=cache or LayerCache())
        return cls(layers=layers, tip=[layer_of(row) for row in rows])

    @classmethod
    async def load_many(
        cls, reader: Reader, room_nids: Collection[int], *, cache: LayerCache
    ) -> dict[int, "RoomHistory"]:
        """The histories of several rooms. One statement."""
        stacks = await state_history.newest_stacks(reader, room_nids)
        return {
            room_nid: cls(
                layers=Layers(reader, room_nid, cache=cache), tip=[layer_of(row) for row in stacks.get(room_nid, ())]
            )
            for room_nid in room_nids
        }

    @property
    def room_nid(self) -> int:
        """The room's number; it may be set as long as there are no states."""
        return self._layers.room_nid

    @room_nid.setter
    def room_nid(self, room_nid: int) -> None:
        self._layers.room_nid = room_nid

    async def root(self, state: Mapping[int, int]) -> Derived:
        """A state that is based on no other: the first of a room."""
        entries = {key: nid for key, nid in state.items() if nid}
        if not entries:
            return Derived(0, StateRows(last_state_no=0))
        return self._new([], depth=0, entries=entries, fingerprint=fingerprint_after(0, added=entries.items()))

    async def derive(
        self, base_no: int, changes: Mapping[int, int], *, replaced: Mapping[int, int] | None = None
    ) -> Derived:
        """The state that differs from `base_no` in `changes`: `key_id -> event_nid`, where 0 removes.

        If nothing changes it is `base_no` itself, and there is nothing to store. `replaced` is what `base_no` holds for
        the keys of `changes`, 0 for nothing: with it, and `base_no` the state made last, this reads nothing (except,
        once in a thousand changes, a very large layer). Without it the chunk of a changed key may have to be read.
        """
        if base_no == 0:
            return await self.root(changes)
        stack = await self._stack(base_no)
        before = await self._layers.values(stack, changes.keys()) if replaced is None else replaced
        changed = {key: nid for key, nid in changes.items() if before.get(key, 0) != nid}
        if not changed:
            return Derived(base_no, StateRows(last_state_no=base_no))
        depth = depth_after(stack[0].depth, len(changed))
        target = base_depth(depth)
        above = [layer for layer in stack if layer.depth > target]
        return self._new(
            stack[len(above) :],
            depth=depth,
            entries=_merged(await self._layers.entries(above)) | changed,
            fingerprint=fingerprint_after(
                stack[0].fingerprint,
                added=changed.items(),
                removed=[(key, before.get(key, 0)) for key in changed],
            ),
        )

    async def prepare(self, base_no: int, changes: Mapping[int, int]) -> Prepared:
        """As `derive`, in two steps, for very many changes: this one lets others go on, who may make other states
        meanwhile; `place` is the other. `base_no` is not 0.
        """
        stack = await self._stack(base_no)
        before: dict[int, int] = {}
        changed: dict[int, int] = {}
        for portion in _portions(changes):
            values = await self._layers.values(stack, portion)
            before |= {key: nid for key, nid in values.items() if nid}
            changed |= {key: changes[key] for key in portion if values[key] != changes[key]}
            await asyncio.sleep(0)
        if not changed:
            return Prepared(base_no, (), 0, 0, {}, b"", ())
        depth = depth_after(stack[0].depth, len(changed))
        target = base_depth(depth)
        above = [layer for layer in stack if layer.depth > target]
        merged = _merged(await self._layers.entries(above))
        merged.update(changed)
        await asyncio.sleep(0)
        fingerprint = stack[0].fingerprint
        for portion in _portions(changed):
            fingerprint = fingerprint_after(
                fingerprint,
                added=[(key, changed[key]) for key in portion],
                removed=[(key, before.get(key, 0)) for key in portion],
            )
            await asyncio.sleep(0)
        delta, chunks = await _encoded(merged)
        return Prepared(None, stack[len(above) :], depth, fingerprint, merged, delta, chunks)

    def place(self, prepared: Prepared) -> Derived:
        """Give a prepared state its number."""
        if prepared.same_as is not None:
            return Derived(prepared.same_as, StateRows(last_state_no=prepared.same_as))
        return self._put(
            prepared.base, prepared.depth, prepared.entries, prepared.fingerprint, prepared.delta, prepared.chunks
        )

    async def load_state(self, state_no: WholeState) -> dict[int, int]:
        """The whole state: `key_id -> event_nid`. At most two statements."""
        return _present(_merged(await self._layers.entries(await self._stack(state_no))))

    async def load_non_members(self, state_no: int) -> dict[int, int]:
        """The state without members. At most two statements."""
        entries = await self._layers.entries_below(await self._stack(state_no), MEMBER_KEYS)
        return _present(_merged({key: nid for key, nid in one.items() if key < MEMBER_KEYS} for one in entries))

    async def get(self, state_no: int, keys: Collection[int]) -> dict[int, int]:
        """Some entries of a state; those that it has not are missing. At most two statements."""
        return _present(await self._layers.values(await self._stack(state_no), keys))

    async def difference(self, a: int, b: int) -> dict[int, tuple[int, int]]:
        """`key_id -> (event_nid in a, event_nid in b)` where they differ; 0 where the state has no such key.

        At most four statements.
        """
        if a == b:
            return {}
        only_a, only_b, common = _part(await self._stack(a), await self._stack(b))
        entries = await self._layers.entries([*only_a, *only_b])
        in_a, in_b = _merged(entries[: len(only_a)]), _merged(entries[len(only_a) :])
        below = await self._layers.values(common, in_a.keys() ^ in_b.keys())
        pairs = {key: (in_a.get(key, below.get(key, 0)), in_b.get(key, below.get(key, 0))) for key in in_a | in_b}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

    async def fingerprint(self, state_no: int) -> int:
        """A number that equal states share, and different ones practically never."""
        return 0 if state_no == 0 else (await self._stack(state_no))[0].fingerprint

    async def equal(self, a: int, b: int) -> bool:
        """Whether two states hold the same."""
        return await self.fingerprint(a) == await self.fingerprint(b) and not await self.difference(a, b)

    def committed(self, up_to_state_no: int) -> None:
        """States up to this number are in the database; they may leave memory now.

        A state that could not be stored is never told of here: its history is dropped together with the room.
        """
        self._layers.committed(up_to_state_no)

    async def purge(self, tx: Tx, live: Collection[int]) -> int:
        """Remove every state that neither is in `live` nor is one's base, that one's base and so on; how many.

        Only for the room's writer. States that are not stored yet, and the one made last, stay. Three statements.
        """
        bases = await state_history.bases(tx, self.room_nid)
        pending = self._layers.pending
        keep = set[int]()
        for state_no in (*live, *(layer.base_no for layer in pending.values()), self._last_no):
            at = state_no
            while at in bases and at not in keep:
                keep.add(at)
                at = bases[at]
        dead = bases.keys() - keep - pending.keys()
        if dead:
            await state_history.delete(tx, self.room_nid, sorted(dead))
            self._layers.discard(dead)
        return len(dead)

    async def _stack(self, state_no: int) -> list[Layer]:
        if self._tip and self._tip[0].state_no == state_no:
            return self._tip
        return await self._layers.stack(state_no)

    def _new(self, base: Sequence[Layer], *, depth: int, entries: dict[int, int], fingerprint: int) -> Derived:
        """A state on the layers `base`."""
        delta, chunks = codec.encode_rows(sorted(entries.items()))
        return self._put(base, depth, entries, fingerprint, delta, chunks)

    def _put(
        self,
        base: Sequence[Layer],
        depth: int,
        entries: dict[int, int],
        fingerprint: int,
        delta: bytes,
        chunks: Sequence[tuple[int, bytes]],
    ) -> Derived:
        base_no = base[0].state_no if base else 0
        state_no = self._last_no = self._last_no + 1
        layer = Layer(
            state_no=state_no, base_no=base_no, depth=depth, fingerprint=fingerprint, delta=delta, entries=entries
        )
        self._layers.pending[state_no] = layer
        self._tip = [layer, *base]
        return Derived(
            state_no,
            StateRows(
                last_state_no=state_no,
                states=[(self.room_nid, state_no, base_no, depth, fingerprint, delta)],
                chunks=[(self.room_nid, state_no, first, chunk) for first, chunk in chunks],
            ),
        )


def _portions(keys: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(keys)
    return iter(lambda: list(islice(remaining, PORTION)), [])


async def _encoded(entries: Mapping[int, int]) -> tuple[bytes, list[tuple[int, bytes]]]:
    """As `codec.encode_rows`, a portion at a time."""
    if len(entries) <= codec.MAX_ENTRIES:
        return codec.encode_rows(sorted(entries.items()))
    ranges: dict[int, list[int]] = {}
    for portion in _portions(entries):
        for key in portion:
            ranges.setdefault(key // PORTION, []).append(key)
        await asyncio.sleep(0)
    chunks: list[tuple[int, bytes]] = []
    left: list[tuple[int, int]] = []
    for number in sorted(ranges):
        left += [(key, entries[key]) for key in sorted(ranges[number])]
        whole = len(left) - len(left) % codec.MAX_ENTRIES
        chunks += codec.encode_chunks(left[:whole])
        left = left[whole:]
        await asyncio.sleep(0)
    chunks += codec.encode_chunks(left)
    return codec.encode_directory(first for first, _ in chunks), chunks


def _merged(layers: Iterable[dict[int, int]]) -> dict[int, int]:
    """What a stack of layers, the newest first, says together: 0 for keys that it removes."""
    merged: dict[int, int] = {}
    for entries in reversed(list(layers)):
        merged.update(entries)
    return merged


def _present(entries: Mapping[int, int]) -> dict[int, int]:
    return {key: nid for key, nid in entries.items() if nid}


def _part(a: Sequence[Layer], b: Sequence[Layer]) -> tuple[Sequence[Layer], Sequence[Layer], Sequence[Layer]]:
    """Two stacks as the layers that only the first has, those that only the second has, and what they share."""
    in_a = in_b = 0
    while in_a < len(a) or in_b < len(b):
        if in_b == len(b):
            in_a += 1
        elif in_a == len(a):
            in_b += 1
        elif a[in_a].state_no == b[in_b].state_no:
            break
        elif a[in_a].depth >= b[in_b].depth:
            in_a += 1
        else:
            in_b += 1
    return a[:in_a], b[:in_b], a[in_a:]
