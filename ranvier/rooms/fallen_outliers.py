"""Outliers that stand on an event which is rejected once it has its place in the room.

Spec: server-server API, "Rejection": what cites a rejected event in its `auth_events` is rejected. An outlier is judged by
its own auth events alone; the states it is given later may say something else, and those that cite it know it as accepted.
"""

from typing import Final

import msgspec

from ranvier.db.engine import Reader
from ranvier.rooms.append import Append, Appended
from ranvier.store import auth_graph
from ranvier.store.event_cache import EventCache
from ranvier.store.events import REJECTED, StoredEvent, encode_auth

LATER: Final = 5_000
"""Looked at are so many events that were stored after the one in question: whoever makes these, makes them together."""


async def reject_with(fallen: StoredEvent, append: Append, *, db: Reader, cache: EventCache) -> list[StoredEvent]:
    """Reject, in `append`, the outliers that stand on `fallen`, as they are from now on. Two statements at most."""
    nid = fallen.event_nid
    edges = await auth_graph.outlier_edges(db, fallen.room_nid, after=nid, up_to=nid + LATER)
    rejected = {nid}
    citing: dict[int, list[int]] = {}
    for outlier, auth in edges:
        if not rejected.isdisjoint(auth):
            rejected.add(outlier)
            citing[outlier] = auth
    found = []
    for accepted in (await cache.get(list(citing))).values():
        # The cache's own is what others read until this is durable.
        stored = msgspec.structs.replace(accepted, status=REJECTED)
        auth_edges = encode_auth(stored.event_nid, citing[stored.event_nid])
        append.replayed.append(Appended(stored=stored, auth=auth_edges))
        append.placed.add(stored.event_nid)
        found.append(stored)
    return found
