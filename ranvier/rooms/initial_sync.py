"""Rooms as older clients ask for them when they start, and room previews.

Spec: client-server API, `GET /rooms/{roomId}/initialSync`, `GET /initialSync` (both deprecated); "Room Previews".
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from ranvier.proto.client_events import client_event
from ranvier.proto.errors import MatrixError
from ranvier.rooms.append import Appender
from ranvier.rooms.messages import Messages
from ranvier.rooms.read_state import StateReading
from ranvier.rooms.rooms import Rooms
from ranvier.store import account_data, public_rooms
from ranvier.store import rooms as store
from ranvier.store.account_data import GLOBAL
from ranvier.store.rooms import BAN, INVITE, JOIN, LEAVE, MEMBERSHIP_NAMES, Membership
from ranvier.users.requester import Requester

DEFAULT_LIMIT: Final = 10


class InitialSync:
    """Reads rooms whole."""

    def __init__(self, *, rooms: Rooms, appender: Appender, messages: Messages, reading: StateReading) -> None:
        self._rooms = rooms
        self._appender = appender
        self._messages = messages
        self._reading = reading

    async def room(self, requester: Requester, room_id: str, *, limit: int = DEFAULT_LIMIT) -> dict[str, Any]:
        """A room's state and newest messages, for members, former members and everyone if it is world-readable.

        Raises 403 `M_FORBIDDEN`.
        """
        state = await self._reading.state(requester, room_id)
        page = await self._messages.page(requester, room_id, backwards=True, limit=limit)
        room = await self._rooms.get(room_id)
        member = await self._rooms.member(room, requester.user_id)
        published = await public_rooms.is_published(self._rooms.db, room.room_nid)
        events = {
            "chunk": _fragments(page.chunk[::-1]),
            "end": page.start,
            **({} if page.end is None else {"start": page.end}),
        }
        return {
            "room_id": room_id,
            **({} if member is None else {"membership": member.event.membership}),
            "messages": events,
            "state": _fragments([client_event(stored.event, room_id=True) for stored in state]),
            "visibility": "public" if published else "private",
            "account_data": await self._account_data(requester.user_id, room_id),
        }

    async def everything(self, requester: Requester, *, limit: int, archived: bool) -> dict[str, Any]:
        """All rooms of a user, those that they have left if `archived`. Costs what all of them cost.

        Without the partially joined ones.
        """
        end = f"s{self._appender.committed_pos}"
        user_nid = await self._rooms.keys.find_user(self._rooms.db, requester.user_id)
        mine = [] if user_nid is None else await store.memberships_of(self._rooms.db, user_nid)
        wanted = {JOIN, LEAVE, BAN} if archived else {JOIN}
        rooms: list[dict[str, Any]] = []
        for entry in mine:
            if entry.forgotten:
                continue
            if entry.membership == INVITE:
                rooms.append(await self._invitation(entry))
            elif entry.membership in wanted:
                rooms += await self._whole(requester, entry, limit)
        return {
            "end": end,
            "rooms": rooms,
            "presence": [],
            "account_data": await self._account_data(requester.user_id, GLOBAL),
        }

    async def _whole(self, requester: Requester, entry: Membership, limit: int) -> list[dict[str, Any]]:
        try:
            room = await self._rooms.by_nid(entry.room_nid)
            if room.partial is not None:
                # As in `/sync` for who wants all members.
                return []
            return [await self.room(requester, room.room_id, limit=limit)]
        except MatrixError:
            # Left without ever having been in it.
            return []

    async def _invitation(self, entry: Membership) -> dict[str, Any]:
        invitation = (await self._rooms.cache.get([entry.event_nid]))[entry.event_nid]
        return {
            "room_id": invitation.event.room_id,
            "membership": MEMBERSHIP_NAMES[INVITE],
            "invite": orjson.Fragment(client_event(invitation.event, room_id=True)),
        }

    async def _account_data(self, user_id: str, room_id: str) -> list[dict[str, Any]]:
        found = await account_data.of_room(self._rooms.db, user_id, room_id)
        return [{"type": datum.type, "content": orjson.Fragment(datum.content)} for datum in found]


def _fragments(events: Sequence[bytes]) -> list[orjson.Fragment]:
    return [orjson.Fragment(event) for event in events]
