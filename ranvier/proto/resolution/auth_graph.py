"""Walks over the graph of auth events: the auth difference of states, the subgraph between events.

Spec: room versions 2 and 12, "State resolution", definitions "auth difference" and "conflicted state subgraph".

Events are numbers here, and an event's auth events always have smaller numbers than it has: walking from the greatest
number down meets every event after all those that cite it. Numbers that break this are ignored, so that nothing an event
claims can make a walk go round in circles. Nothing is recursive; edges are asked for in batches.
"""

from collections.abc import Collection, Generator, Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple, TypeVar

BATCH: Final = 128
"""How many events' edges are asked for at once: those that the walk will most probably meet next."""


class Node(NamedTuple):
    """What the walks need to know of an event."""

    auth: Collection[int]
    """Its auth events."""
    common: bool = False
    """Whether it is an unconflicted event of the states."""


T = TypeVar("T")
Walk = Generator[list[int], Mapping[int, Node], T]
"""Yields numbers of events, is sent what is known of them; unknown ones are left out and cite nothing."""

_UNKNOWN: Final = Node(())


def walk_differing(sets: Collection[Collection[int]], common_hints: Iterable[int] = ()) -> Walk[set[int]]:
    """The events that are in some but not all of the chains of `sets`; a chain holds its start.

    Events that the walk finds to be in the chain of an unconflicted event are left out, but not all of those are found:
    see `walk_citing`. `common_hints` are unconflicted events likely to be met; they only make the walk shorter.
    """
    everywhere = (1 << len(sets)) - 1
    masks: dict[int, int] = {}
    for bit, nids in enumerate(sets):
        for nid in nids:
            masks[nid] = masks.get(nid, 0) | 1 << bit
    masks.update(dict.fromkeys(common_hints, everywhere))
    pending = [-nid for nid in masks]
    heapify(pending)
    partial = sum(1 for mask in masks.values() if mask != everywhere)
    known: dict[int, Node] = {}
    found = set()
    while partial:
        nid = -heappop(pending)
        if nid not in known:
            known.update((yield _next_batch(nid, pending, known)))
        node = known.pop(nid, _UNKNOWN)
        mask = masks.pop(nid)
        if mask != everywhere:
            partial -= 1
            if node.common:
                mask = everywhere
            else:
                found.add(nid)
        for auth in node.auth:
            if auth >= nid:
                continue
            before = masks.get(auth)
            if before is None:
                heappush(pending, -auth)
                partial += mask != everywhere
                masks[auth] = mask
            elif before != everywhere:
                masks[auth] = before | mask
                partial -= before | mask == everywhere
    return found


def walk_citing(wanted: Collection[int], starts: Iterable[int]) -> Walk[set[int]]:
    """Those of `wanted` that are in the chain of one of `starts`; a chain holds its start."""
    remaining = set(wanted)
    floor = min(remaining, default=0)
    pending = sorted(-nid for nid in starts if nid >= floor)
    seen = {-nid for nid in pending}
    known: dict[int, Node] = {}
    while pending and remaining:
        nid = -heappop(pending)
        remaining.discard(nid)
        if nid not in known:
            known.update((yield _next_batch(nid, pending, known)))
        for auth in known.pop(nid, _UNKNOWN).auth:
            if floor <= auth < nid and auth not in seen:
                seen.add(auth)
                heappush(pending, -auth)
    return set(wanted) - remaining


def walk_between(ends: Collection[int]) -> Walk[set[int]]:
    """Every event on a path between two of `ends`; the ends themselves are part of the answer."""
    inside = set(ends)
    floor = min(inside, default=0)
    pending = sorted(-nid for nid in inside)
    met = set(inside)
    known: dict[int, Node] = {}
    cites: list[tuple[int, list[int]]] = []
    while pending:
        nid = -heappop(pending)
        if nid not in known:
            known.update((yield _next_batch(nid, pending, known)))
        auths = [auth for auth in known.pop(nid, _UNKNOWN).auth if floor <= auth < nid]
        cites.append((nid, auths))
        for auth in auths:
            if auth not in met:
                met.add(auth)
                heappush(pending, -auth)
    # Everything met is below an end; from the oldest up, what cites something inside is above an end too.
    for nid, auths in reversed(cites):
        if not inside.isdisjoint(auths):
            inside.add(nid)
    return inside


def _next_batch(nid: int, pending: list[int], known: Mapping[int, Node]) -> list[int]:
    """`nid` with some that wait: the front of a heap holds roughly its smallest entries."""
    batch = [nid]
    batch += [-other for other in pending[: BATCH - 1] if -other not in known]
    return batch


def drive_walk(walk: Walk[T], nodes: Mapping[int, Node]) -> T:
    """Run a walk over nodes in memory."""
    try:
        wanted = next(walk)
        while True:
            wanted = walk.send({nid: nodes[nid] for nid in wanted if nid in nodes})
    except StopIteration as done:
        result: T = done.value
        return result
