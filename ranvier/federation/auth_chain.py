"""Auth chains: the events that authorise others, those that authorise them, and so on.

Spec: server-server API, `/event_auth`, `/state`. What authorises an event never changes, so that the edges may be
remembered for ever.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from ranvier.db.engine import Database
from ranvier.store import auth_graph

REMEMBERED: Final = 50_000
PORTION: Final = 2000
"""Events asked of the database in one statement."""


class AuthChains:
    """Walks the graph of auth events."""

    def __init__(self, *, db: Database) -> None:
        self._db = db
        self._edges: OrderedDict[int, tuple[int, ...]] = OrderedDict()

    async def of(self, event_nids: Collection[int], *, but: Collection[int] = frozenset()) -> set[int]:
        """The numbers of the auth events of these events, and of theirs, and so on.

        One of `event_nids` is among them only if another needs it. `but`: events which, with all that authorises them,
        are of no interest. A statement for each generation that is not remembered; the event loop runs on in between.
        """
        chain = set[int]()
        generation = {nid for nid in event_nids if nid not in but}
        walked = set[int]()
        while generation:
            walked |= generation
            cited = set[int]()
            for auth in await self._read(generation):
                cited.update(nid for nid in auth if nid not in but)
            chain |= cited
            generation = cited - walked
        return chain

    async def _read(self, event_nids: Collection[int]) -> list[tuple[int, ...]]:
        known = self._edges
        missing = [nid for nid in event_nids if nid not in known]
        found = [known[nid] for nid in event_nids if nid in known]
        for start in range(0, len(missing), PORTION):
            for nid, _, auth in await auth_graph.edges(self._db, missing[start : start + PORTION]):
                edges = tuple(auth)
                found.append(edges)
                known[nid] = edges
            await asyncio.sleep(0)
        while len(known) > REMEMBERED:
            known.popitem(last=False)
        return found
