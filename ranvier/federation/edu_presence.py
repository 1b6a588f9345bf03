"""How present users of other servers are, as their servers tell.

Spec: server-server API, "Presence". Held in memory, for users who share a room with somebody here; who is not heard of for
half an hour counts as away.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from ranvier.federation.edus import Contents
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of, is_user_id
from ranvier.rooms.append import Append
from ranvier.rooms.partial_rooms import PartialRoom, PartialRooms
from ranvier.rooms.whereabouts import Whereabouts
from ranvier.store.rooms import JOIN
from ranvier.users.device_presence import PresenceName
from ranvier.users.presence import Presence, PresenceTracker
from ranvier.users.text import is_storable

EXPIRES_S: Final = 1800.0
STATUS_LENGTH: Final = 1000
GUESSED: Final = 1000
"""Of so many users it is believed that they are in a partially joined room, without being known to be."""
UPDATES: Final = 5000
"""More of one transaction are passed over."""
_NAMES: Final[Mapping[str, PresenceName]] = {"online": "online", "unavailable": "unavailable", "offline": "offline"}


class PresenceElsewhere:
    """Takes presence in, and knows who of other servers is in which room. `on_commit` is a listener of `Whereabouts`."""

    def __init__(
        self,
        *,
        tracker: PresenceTracker,
        whereabouts: Whereabouts,
        partials: PartialRooms,
        clock: Clock,
        server_name: str,
    ) -> None:
        self._tracker = tracker
        self._whereabouts = whereabouts
        self._partials = partials
        self._clock = clock
        self._server_name = server_name
        self._rooms: dict[str, set[int]] = {}
        self._present: dict[int, set[str]] = {}
        self._guessed: dict[int, set[str]] = {}
        """By partially joined room who may be in it: their server is."""
        if tracker.is_on:
            tracker.listeners.append(self._on_change)
            partials.on_ended.append(self._on_ended)

    async def take(self, origin: str, contents: Contents) -> None:
        """`m.presence`."""
        if not self._tracker.is_on:
            return
        read: dict[str, Presence] = {}
        for content in contents:
            push = content.get("push")
            for told in push[:UPDATES] if isinstance(push, list) else ():
                presence = self._presence(told) if isinstance(told, dict) else None
                if presence is not None and _is_user_of(origin, told.get("user_id")):
                    read[told["user_id"]] = presence
        near = await self._whereabouts.who_meets_us(list(read))
        for user_id, presence in read.items():
            guessed = self._guess(origin, user_id)
            if user_id not in near and not guessed:
                continue
            self._place(user_id, {*await self._whereabouts.of(user_id), *guessed})
            self._tracker.set_elsewhere(user_id, presence, expires_s=EXPIRES_S)
            if self._tracker.of(user_id).presence == "offline":
                self._forget(user_id)

    def rooms_of(self, user_id: str) -> Collection[int]:
        """Where a user who is there is to be met."""
        return self._rooms.get(user_id, ())

    def in_room(self, room_nid: int) -> Collection[str]:
        """Who is there, of those in a room."""
        return self._present.get(room_nid, ())

    def on_commit(self, batch: Sequence[Append]) -> None:
        """Users move."""
        for append in batch:
            for change in append.members:
                rooms = self._rooms.get(change.user_id)
                if rooms is None:
                    continue
                room_nid = append.room.room_nid
                if change.membership == JOIN:
                    rooms.add(room_nid)
                    self._present.setdefault(room_nid, set()).add(change.user_id)
                else:
                    rooms.discard(room_nid)
                    self._leave(room_nid, change.user_id)

    def _on_change(self, user_id: str, pos: int) -> None:
        """A listener of the tracker, behind the one that tells clients."""
        if user_id in self._rooms and self._tracker.of(user_id).presence == "offline":
            self._forget(user_id)

    def _guess(self, origin: str, user_id: str) -> list[int]:
        """The partially joined rooms in which a user may be, because their server is said to be there."""
        found = []
        for one in self._partials.every():
            guessed = self._guessed.get(one.room_nid, set())
            if origin in one.servers and (user_id in guessed or len(guessed) < GUESSED):
                self._guessed.setdefault(one.room_nid, set()).add(user_id)
                found.append(one.room_nid)
        return found

    def _on_ended(self, partial: PartialRoom) -> None:
        """Who was only said to be there is heard of again if they are."""
        for user_id in self._guessed.pop(partial.room_nid, ()):
            self._rooms.get(user_id, set()).discard(partial.room_nid)
            self._leave(partial.room_nid, user_id)

    def _presence(self, told: Mapping[str, Any]) -> Presence | None:
        name, status_msg, ago = told.get("presence"), told.get("status_msg"), told.get("last_active_ago")
        presence = _NAMES.get(name) if isinstance(name, str) else None
        if presence is None:
            return None
        is_active = told.get("currently_active") is True and presence == "online"
        last_active_ts = self._clock.now_ms() - ago if type(ago) is int and ago >= 0 else None
        return Presence(
            presence=presence,
            status_msg=status_msg[:STATUS_LENGTH] if isinstance(status_msg, str) and status_msg else None,
            last_active_ts=None if last_active_ts is None else max(0, last_active_ts),
            currently_active=is_active,
        )

    def _place(self, user_id: str, rooms: Collection[int]) -> None:
        self._forget(user_id)
        self._rooms[user_id] = set(rooms)
        for room_nid in rooms:
            self._present.setdefault(room_nid, set()).add(user_id)

    def _forget(self, user_id: str) -> None:
        for room_nid in self._rooms.pop(user_id, ()):
            self._leave(room_nid, user_id)

    def _leave(self, room_nid: int, user_id: str) -> None:
        present = self._present.get(room_nid)
        if present is not None:
            present.discard(user_id)
            if not present:
                del self._present[room_nid]


def _is_user_of(origin: str, user_id: object) -> bool:
    return isinstance(user_id, str) and domain_of(user_id) == origin and is_user_id(user_id) and is_storable(user_id)
