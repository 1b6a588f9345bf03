"""Which rooms somebody may know about without being in them.

Spec: client-server API, `GET /hierarchy` (which rooms are returned) and `GET /room_summary`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.rooms.rooms import Rooms
from ranvier.store import rooms as store
from ranvier.store.room_descriptions import RoomSummary
from ranvier.store.rooms import BAN, INVITE, JOIN, LEAVE, MEMBERSHIP_NAMES


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """From where somebody looks at rooms; without arguments, that of a stranger."""

    memberships: Mapping[str, int] = field(default_factory=dict)
    """By room id."""
    joined_ids: frozenset[str] = frozenset()
    everything: bool = False
    """An administrator's: any room may be described."""

    def membership(self, room: RoomSummary) -> str:
        """The membership in a room."""
        return MEMBERSHIP_NAMES[self.memberships.get(room.room_id, LEAVE)]

    def sees(self, room: RoomSummary) -> bool:
        """Whether the room may be described: they are in it, could come in or knock, or everybody may look in."""
        if self.everything or room.history_visibility == "world_readable":
            return True
        mine = self.memberships.get(room.room_id)
        if mine in (JOIN, INVITE):
            return True
        if mine == BAN:
            return False
        rule = join_rule(room)
        if rule in ("public", "knock", "knock_restricted"):
            return True
        return rule == "restricted" and not self.joined_ids.isdisjoint(room.allowed)


STRANGER: Final = Viewpoint()
EVERYWHERE: Final = Viewpoint(everything=True)


async def viewpoint(rooms: Rooms, user_id: str) -> Viewpoint:
    """A local user's viewpoint. Two statements."""
    user_nid = await rooms.keys.find_user(rooms.db, user_id)
    if user_nid is None:
        return STRANGER
    mine = await store.memberships_of(rooms.db, user_nid)
    ids = await store.room_ids(rooms.db, [entry.room_nid for entry in mine]) if mine else {}
    memberships = {ids[entry.room_nid]: entry.membership for entry in mine}
    return Viewpoint(memberships, frozenset(room_id for room_id, mine in memberships.items() if mine == JOIN))


def join_rule(room: RoomSummary) -> str:
    """The room's join rule; `invite` for one that its version does not know."""
    version = ROOM_VERSIONS.get(room.room_version)
    if version is None:  # Of a room that another server tells of: the rule is as good as its word.
        return room.join_rule
    known = {
        "public": True,
        "knock": version.knock,
        "restricted": version.restricted_joins,
        "knock_restricted": version.knock_restricted_joins,
    }
    return room.join_rule if known.get(room.join_rule) else "invite"
