"""Taking in a great number of outliers that come in any order, without ever having all of them as events.

What cites events that have not come yet waits as its JSON. Spec: server-server API, "Checks performed on receipt of a
PDU", check 4.
"""

from collections import deque
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

from ranvier.proto.event_format import load_event
from ranvier.proto.events import Event
from ranvier.rooms.full_state import ToldState
from ranvier.rooms.outliers import Outliers
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms

AT_ONCE: Final = 150
"""Events stored in one transaction: so many are judged without a pause, some five milliseconds."""


class OutlierIntake:
    """One great number of events of a room, whose signatures and hashes are checked. `add` them, then `finish`.

    Those of them that make up a state are kept in mind as far as that is about them.
    """

    def __init__(
        self, *, room: Room, rooms: Rooms, outliers: Outliers, all_known: AbstractSet[str] | None = None
    ) -> None:
        """`all_known` are the ids of all events of the room that others have stored and store, if the caller knows them."""
        self._room = room
        self._rooms = rooms
        self._outliers = outliers
        self._here: set[str] = set(all_known or ())
        """Events that are stored."""
        self._all_known = all_known
        self._absent: set[str] = set()
        """Events that were looked for in vain."""
        self.told = ToldState()
        """The state, as far as it is stored and was not before."""
        self.unread: dict[str, None] = {}
        """Ids of those of its events that are not in `told`, in the order in which they came."""
        self._waiting: dict[str, bytes] = {}
        self._lacking: dict[str, int] = {}
        """How many of its auth events each one that waits still lacks."""
        self._citing: dict[str, list[str]] = {}
        self._badly_authorised: set[str] = set()
        self._ready: deque[str | Event] = deque()
        """What can be stored; what has waited by its id."""

    @property
    def waiting(self) -> int:
        """How many events wait for those that they cite."""
        return len(self._lacking)

    async def add(
        self, events: Iterable[Event], *, badly_authorised: frozenset[str] = frozenset(), is_state: bool = False
    ) -> None:
        """Take these in; store what is ready, if it is much. `badly_authorised` as in `Outliers.store`."""
        self._badly_authorised |= badly_authorised
        fresh: dict[str, Event] = {}
        for event in events:
            if is_state:
                self.unread[event.event_id] = None
            if event.event_id not in self._here and event.event_id not in self._waiting:
                fresh[event.event_id] = event
        if self._all_known is None:
            await self._look_up(fresh)
        for event in fresh.values():
            self._take(event)
        while len(self._ready) >= AT_ONCE:
            await self._store()

    async def finish(self) -> int:
        """Store the rest. The number of events that were left out, because events that they cite never came."""
        while self._ready:
            await self._store()
        return len(self._lacking)

    async def _look_up(self, fresh: dict[str, Event]) -> None:
        """Find which of the events that these cite are stored. One statement at most."""
        wanted = {event_id for event in fresh.values() for event_id in event.auth_events}
        wanted -= self._here
        wanted -= self._absent
        wanted -= fresh.keys()
        wanted -= self._waiting.keys()
        if not wanted:
            return
        found = await self._rooms.cache.by_id(sorted(wanted))
        here = {
            event_id
            for event_id, stored in found.items()
            if stored.room_nid == self._room.room_nid and not stored.is_outside
        }
        self._here |= here
        self._absent |= wanted - here

    def _take(self, event: Event) -> None:
        lacking = {event_id for event_id in event.auth_events if event_id not in self._here}
        if not lacking:
            self._make_ready(event.event_id, event)
            return
        self._waiting[event.event_id] = event.json
        self._lacking[event.event_id] = len(lacking)
        for event_id in lacking:
            self._citing.setdefault(event_id, []).append(event.event_id)

    def _make_ready(self, event_id: str, event: Event | None = None) -> None:
        """It, and what has waited for nothing else; what is ready is stored in this order."""
        self._ready.append(event_id if event is None else event)
        self._here.add(event_id)
        found = [event_id]
        while found:
            for citing in self._citing.pop(found.pop(), ()):
                self._lacking[citing] -= 1
                if not self._lacking[citing]:
                    del self._lacking[citing]
                    self._ready.append(citing)
                    self._here.add(citing)
                    found.append(citing)

    async def _store(self) -> None:
        events: list[Event] = []
        while self._ready and len(events) < AT_ONCE:
            one = self._ready.popleft()
            events.append(load_event(self._waiting.pop(one), one, self._room.version) if isinstance(one, str) else one)
        signed_badly = frozenset(event.event_id for event in events if event.event_id in self._badly_authorised)
        found = await self._outliers.store(
            self._room, events, badly_authorised=signed_badly, is_bulk=True, all_known=self._all_known
        )
        for event_id, stored in found.items():
            if event_id in self.unread:
                del self.unread[event_id]
                self.told.add(stored)
