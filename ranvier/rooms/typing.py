"""Who is typing where: in memory only, forgotten when the time that the client gave is over.

Spec: client-server API, "Typing Notifications". No statement, but to find out once whether the user is in the room.
"""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ranvier.ports import Clock
from ranvier.proto.errors import forbidden
from ranvier.proto.ids import is_room_id
from ranvier.rooms.append import Append
from ranvier.rooms.rooms import Rooms
from ranvier.store.rooms import JOIN
from ranvier.users.requester import Requester

DEFAULT_MS: Final = 30_000
LONGEST_MS: Final = 120_000
ROOMS: Final = 10_000
MESSAGES: Final = frozenset({"m.room.message", "m.room.encrypted", "m.sticker"})
"""Who has sent one of these has stopped typing it."""


@dataclass(frozen=True, slots=True)
class TypingChange:
    """Somebody has begun or stopped typing."""

    room_nid: int
    room_id: str
    user_id: str
    is_typing: bool
    pos: int


Listener = Callable[[TypingChange], None]


class _Room:
    __slots__ = ("pos", "room_id", "until")

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.until: dict[str, float] = {}
        """By user; on the monotonic clock."""
        self.pos = 0
        """When this last changed."""


class Typing:
    """Everyone who is typing. `run` must be running for them to stop by themselves."""

    def __init__(self, *, rooms: Rooms, clock: Clock) -> None:
        self._rooms = rooms
        self._clock = clock
        self._typing: dict[int, _Room] = {}
        self._ends: list[tuple[float, int, str]] = []
        self._some = asyncio.Event()
        self.pos = clock.now_ms()
        """The position of the last change. They begin with the time, so as to be greater than those of earlier runs."""
        self.listeners: list[Listener] = []

    async def set(
        self, requester: Requester, room_id: str, user_id: str, *, is_typing: bool, timeout_ms: int | None = None
    ) -> None:
        """A local user says whether they are typing. Raises 403 `M_FORBIDDEN`."""
        if requester.user_id != user_id:
            raise forbidden("Cannot type for another user")
        room = await self._rooms.find(room_id) if is_room_id(room_id) else None
        if room is None or await self._rooms.membership(room, user_id) != "join":
            raise forbidden("You are not in this room")
        timeout_ms = DEFAULT_MS if timeout_ms is None else min(timeout_ms, LONGEST_MS)
        if is_typing and timeout_ms > 0 and not requester.shadow_banned:
            self.begin(room.room_nid, room_id, user_id, timeout_ms=timeout_ms)
        else:
            self.stop(room.room_nid, user_id)

    def begin(self, room_nid: int, room_id: str, user_id: str, *, timeout_ms: int = DEFAULT_MS) -> None:
        """A user of any server, who is in the room, is typing for so long."""
        if len(self._typing) > ROOMS:
            self._typing = {nid: room for nid, room in self._typing.items() if room.until}
        room = self._typing.setdefault(room_nid, _Room(room_id))
        is_new = user_id not in room.until
        room.until[user_id] = until = self._clock.monotonic() + timeout_ms / 1000
        heapq.heappush(self._ends, (until, room_nid, user_id))
        self._some.set()
        if is_new:
            self._announce(room_nid, room, user_id, is_typing=True)

    def stop(self, room_nid: int, user_id: str) -> None:
        """A user is not typing any more."""
        room = self._typing.get(room_nid)
        if room is not None and room.until.pop(user_id, None) is not None:
            self._announce(room_nid, room, user_id, is_typing=False)

    def in_room(self, room_nid: int) -> list[str]:
        """Who is typing in a room."""
        room = self._typing.get(room_nid)
        return [] if room is None else sorted(room.until)

    def changed_after(self, pos: int) -> list[int]:
        """The rooms in which that has changed since."""
        return [room_nid for room_nid, room in self._typing.items() if room.pos > pos]

    def on_commit(self, batch: Sequence[Append]) -> None:
        """A listener of the appender: who sends what they typed, or leaves, has stopped."""
        if not self._typing:
            return
        for append in batch:
            if append.room.room_nid in self._typing:
                for entry in append.events:
                    if entry.stored.event.type in MESSAGES:
                        self.stop(append.room.room_nid, entry.stored.event.sender)
                for change in append.members:
                    if change.membership != JOIN:
                        self.stop(append.room.room_nid, change.user_id)

    async def run(self) -> None:
        """Let people stop typing when their time is over, until cancelled."""
        while True:
            await self._some.wait()
            while self._ends:
                wait_s = self._ends[0][0] - self._clock.monotonic()
                if wait_s > 0:
                    # Never long: whoever types for a shorter time may have come meanwhile.
                    await self._clock.sleep(min(wait_s, 1.0))
                else:
                    self._end(*heapq.heappop(self._ends))
            self._some.clear()

    def _end(self, until: float, room_nid: int, user_id: str) -> None:
        room = self._typing.get(room_nid)
        if room is not None and room.until.get(user_id, until + 1) <= until:
            self.stop(room_nid, user_id)

    def _announce(self, room_nid: int, room: _Room, user_id: str, *, is_typing: bool) -> None:
        self.pos += 1
        room.pos = self.pos
        change = TypingChange(room_nid, room.room_id, user_id, is_typing, self.pos)
        for listener in self.listeners:
            listener(change)
