"""What other servers tell of rooms besides events: who is typing, and how far their users have read.

Spec: server-server API, "Typing Notifications", "Receipts", "Server Access Control Lists (ACLs)". It counts if the user is
of the server that tells, is in the room, and the room lets the server take part.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from ranvier.federation.acl import is_allowed
from ranvier.federation.edus import Contents
from ranvier.ports import Clock
from ranvier.proto.ids import domain_of, is_event_id, is_room_id, is_user_id
from ranvier.rooms.receipts import Receipts
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.typing import Typing
from ranvier.store.receipts import MAIN, UNTHREADED, Receipt
from ranvier.users.text import is_storable

TYPING_MS: Final = 60_000
"""For so long somebody is typing whose server does not say any more that they are."""
RECEIPTS: Final = 2000
"""More of one transaction are passed over."""
_ID_BYTES: Final = 255
_GREATEST_TS: Final = (1 << 53) - 1


class EdusOfRooms:
    """Takes them in."""

    def __init__(self, *, rooms: Rooms, typing: Typing, receipts: Receipts, clock: Clock, server_name: str) -> None:
        self._rooms = rooms
        self._typing = typing
        self._receipts = receipts
        self._clock = clock
        self._server_name = server_name

    async def take_typing(self, origin: str, contents: Contents) -> None:
        """`m.typing`. No statement for rooms and members that are in memory."""
        for content in contents:
            user_id, is_typing = content.get("user_id"), content.get("typing")
            room = await self._room(origin, content.get("room_id"))
            if room is None or not isinstance(is_typing, bool) or not await self._is_member(origin, room, user_id):
                continue
            assert isinstance(user_id, str)
            if is_typing:
                self._typing.begin(room.room_nid, room.room_id, user_id, timeout_ms=TYPING_MS)
            else:
                self._typing.stop(room.room_nid, user_id)

    async def take_receipts(self, origin: str, contents: Contents) -> None:
        """`m.receipt`: those for everybody. One transaction, and a statement for each user who is not in memory."""
        by_user: dict[int, list[Receipt]] = {}
        left = RECEIPTS
        for content in contents:
            for room_id, told in content.items():
                room = await self._room(origin, room_id)
                by_member = told.get("m.read") if isinstance(told, dict) else None
                if room is None or not isinstance(by_member, dict):
                    continue
                for user_id, receipt in list(by_member.items())[:left]:
                    left -= 1
                    if await self._is_member(origin, room, user_id) and isinstance(receipt, dict):
                        read = await self._receipt(room, user_id, receipt)
                        if read is not None:
                            by_user.setdefault(read.user_nid, []).append(read)
        if by_user:
            # Together, so that they are one commit.
            await asyncio.gather(*(self._receipts.store(receipts) for receipts in by_user.values()))

    async def _receipt(self, room: Room, user_id: str, told: Mapping[str, Any]) -> Receipt | None:
        event_ids, data = told.get("event_ids"), told.get("data")
        event_id = event_ids[0] if isinstance(event_ids, list) and event_ids else None
        if not _is_event_id(event_id) or not isinstance(data, dict):
            return None
        assert isinstance(event_id, str)
        thread, ts = data.get("thread_id", UNTHREADED), data.get("ts")
        if thread not in (UNTHREADED, MAIN) and not _is_event_id(thread):
            return None
        stored = (await self._rooms.cache.by_id([event_id])).get(event_id)
        if stored is not None and (stored.room_nid != room.room_nid or stored.pos is None):
            return None
        now_ms = self._clock.now_ms()
        return Receipt(
            room_nid=room.room_nid,
            user_nid=await self._rooms.keys.intern(self._rooms.db, ("m.room.member", user_id)),
            user_id=user_id,
            # Of an event that has not come, it is not known whether it leads forward: it counts until one is known.
            pos=0 if stored is None or stored.pos is None else stored.pos,
            ts=ts if type(ts) is int and 0 <= ts <= _GREATEST_TS else now_ms,
            is_private=False,
            thread=thread,
            event_id=event_id,
        )

    async def _room(self, origin: str, room_id: object) -> Room | None:
        """The room, if the server may tell us about it."""
        if not isinstance(room_id, str) or not is_room_id(room_id):
            return None
        room = await self._rooms.find(room_id)
        return room if room is not None and is_allowed(room, origin) else None

    async def _is_member(self, origin: str, room: Room, user_id: object) -> bool:
        if not isinstance(user_id, str) or domain_of(user_id) != origin or not is_user_id(user_id):
            return False
        if origin == self._server_name:
            return False
        member = await self._rooms.member(room, user_id)
        if member is None:
            # Nothing is known of them: they may be one of those who are not known yet.
            return room.partial is not None and origin in room.partial.servers
        return member.event.membership == "join"


def _is_event_id(value: object) -> bool:
    return isinstance(value, str) and is_event_id(value) and len(value.encode()) <= _ID_BYTES and is_storable(value)
