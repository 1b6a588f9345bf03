"""What of a room's history another server may have.

Spec: client-server API, "Room History Visibility". A server may see what any of its users may; it has to be in the room
to ask at all, so that for all of them "joined later" is true. What it may not see is given without its content: events
stand in the graph whoever may read them, and their pruned form proves as much.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final

from ranvier.federation.server_members import ServerMembers
from ranvier.proto.auth.state import CREATE, JOIN_RULES, POWER_LEVELS
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of
from ranvier.proto.redaction import redact_event
from ranvier.proto.visibility import HISTORY_VISIBILITY, Visibility, visibility_of, visible
from ranvier.rooms.erased_users import ErasedUsers
from ranvier.rooms.history import History, Viewer
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.store.events import POS_BITS, StoredEvent

PORTION: Final = 100
"""Members looked up at once; mostly one of the first is joined, and the others need not be."""
REMEMBERED: Final = 10_000
AUTH_TYPES: Final = frozenset((CREATE[0], POWER_LEVELS[0], JOIN_RULES[0], "m.room.member", "m.room.third_party_invite"))

_Standing = tuple[Visibility, str | None]
"""The history visibility in a state, and the best membership that a server's users have in it."""


class ServerVisibility:
    """Decides which servers see which events."""

    def __init__(self, *, rooms: Rooms, history: History, members: ServerMembers, erased: ErasedUsers) -> None:
        self._rooms = rooms
        self._history = history
        self._members = members
        self._erased = erased
        self._standings: OrderedDict[tuple[int, int, str], _Standing] = OrderedDict()
        """By room, state and server: a state never changes."""

    async def visible(self, room: Room, server_name: str, events: Sequence[StoredEvent]) -> set[int]:
        """The numbers of those of the events, all of this room, that a server which is in the room may see.

        No statement where the room's history has always been open to its members, else a few for each state in which
        one of the events was sent and that has not been looked at before.
        """
        placed = [stored for stored in events if stored.state_before is not None]
        told = [stored for stored in placed if stored.pos is not None]
        member = Viewer(room=room, user_id="", joined=True, left_at=None)
        seen = set[int]()
        if told and await self._history.all_open(member, told):
            seen.update(stored.event_nid for stored in told)
        for stored in placed:
            if stored.event_nid in seen:
                continue
            if _was_told(room, server_name, stored):
                seen.add(stored.event_nid)
            else:
                standing = await self._standing(room, server_name, stored.state_before or 0)
                if _sees(stored.event, server_name, standing):
                    seen.add(stored.event_nid)
        if self._history.lifetimes is not None:
            seen &= {stored.event_nid for stored in self._history.lifetimes.alive(room, placed)}
        if self._erased.any_of(placed):
            seen -= await self._erased.kept_from(room, server_name, await self._members.of(room, server_name), placed)
        return seen

    async def shown(self, room: Room, server_name: str, events: Sequence[StoredEvent]) -> list[Event]:
        """The same events, in the same order, those without their content that the server may not see."""
        seen = await self.visible(room, server_name, events)
        return [stored.event if stored.event_nid in seen else pruned(stored) for stored in events]

    async def _standing(self, room: Room, server_name: str, state_no: int) -> _Standing:
        place = room.room_nid, state_no, server_name
        known = self._standings.get(place)
        if known is not None:
            self._standings.move_to_end(place)
            return known
        rule = await self._rooms.keys.find(self._rooms.db, HISTORY_VISIBILITY)
        visibility = visibility_of(None)
        if rule is not None:
            visibility = visibility_of(next(iter(await self._entries(room, state_no, [rule])), None))
        best = None
        if visibility in ("invited", "joined"):
            best = await self._best_membership(room, state_no, sorted(await self._members.of(room, server_name)))
        self._standings[place] = visibility, best
        while len(self._standings) > REMEMBERED:
            self._standings.popitem(last=False)
        return visibility, best

    async def _best_membership(self, room: Room, state_no: int, user_nids: Sequence[int]) -> str | None:
        best = None
        for start in range(0, len(user_nids), PORTION):
            members = await self._entries(room, state_no, user_nids[start : start + PORTION])
            memberships = {event.membership for event in members}
            if "join" in memberships:
                return "join"
            if "invite" in memberships:
                best = "invite"
        return best

    async def _entries(self, room: Room, state_no: int, key_ids: Collection[int]) -> list[Event]:
        entries = await room.history.get(state_no, key_ids)
        found = await self._rooms.cache.get(list(entries.values()))
        return [stored.event for stored in found.values()]


def is_told_whole(room: Room, event: Event) -> bool:
    """Whether every server in the room may have this state event whatever the history visibility was.

    So it is with the state that is in force, which whoever joins is told; and with what authorises other events.
    """
    return event.key is not None and (event.type in AUTH_TYPES or room.held(event) is not None)


def pruned(stored: StoredEvent) -> Event:
    """The event without its content."""
    return stored.event if stored.redacted_by is not None else redact_event(stored.event)


def _was_told(room: Room, server_name: str, stored: StoredEvent) -> bool:
    """Whether an event has come since a partial join, and the server was said to be in the room then.

    Which of its users are members is not known yet; it has got the event as we have.
    """
    partial = room.partial
    if partial is None or server_name not in partial.servers or not partial.is_partial([stored.event_nid]):
        return False
    return stored.pos is not None and stored.pos % (1 << POS_BITS) == 0


def _sees(event: Event, server_name: str, standing: _Standing) -> bool:
    visibility, membership = standing
    # A change of one of the server's own users counts as the spec has it for that user.
    is_own = event.type == "m.room.member" and event.state_key is not None and domain_of(event.state_key) == server_name
    user_id = (event.state_key or "") if is_own else ""
    return visible(event, user_id, visibility=visibility, membership=membership, joined_later=True)
