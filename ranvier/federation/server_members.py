"""Who of another server's users has had to do with a room: remembered, and kept up to date by what is committed."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from ranvier.db.engine import Database
from ranvier.proto.ids import domain_of
from ranvier.rooms.append import Append
from ranvier.rooms.room import Room
from ranvier.store import server_members as store

REMEMBERED: Final = 2000

_Place = tuple[int, str]
"""`(room_nid, server_name)`."""


class ServerMembers:
    """Users by room and server. `on_commit` is a listener of the appender."""

    def __init__(self, *, db: Database) -> None:
        self._db = db
        self._known: OrderedDict[_Place, set[int]] = OrderedDict()
        self._loading: list[set[int]] = []
        """For each load under way, the rooms whose members have changed meanwhile."""

    async def of(self, room: Room, server_name: str) -> set[int]:
        """The numbers of the server's users in the room's state, whatever their membership. Not to be changed.

        One statement the first time, then mostly none.
        """
        place = room.room_nid, server_name
        known = self._known.get(place)
        if known is not None:
            self._known.move_to_end(place)
            return known
        changed = set[int]()
        self._loading.append(changed)
        try:
            found = set(await store.member_keys(self._db, room.room_nid, server_name))
        finally:
            self._loading = [other for other in self._loading if other is not changed]
        if room.room_nid not in changed:
            self._known[place] = found
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Take in who is new."""
        for append in batch:
            if not append.members and not append.redescribe:
                continue
            for changed in self._loading:
                changed.add(append.room.room_nid)
            if append.redescribe:
                # The room may have begun anew, and then not every member is told of.
                for place in [place for place in self._known if place[0] == append.room.room_nid]:
                    del self._known[place]
            for change in append.members:
                known = self._known.get((append.room.room_nid, domain_of(change.user_id)))
                if known is not None:
                    known.add(change.user_nid)
