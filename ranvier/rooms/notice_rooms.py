"""One room for each user in which the server speaks to them, and nobody else can.

Spec: client-server API, "Server Notices". Configuration: `server_notices`.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from ranvier.config.notice_sections import ServerNoticesConfig
from ranvier.proto.room_versions import RoomVersion
from ranvier.rooms.member_content import MemberContent
from ranvier.rooms.new_room import NewRooms
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.write import Draft, Writer
from ranvier.store import notice_rooms as store
from ranvier.users.requester import Requester
from ranvier.users.tags import RoomTags

TAG: Final = "m.server_notice"
LEVEL_OF_USERS: Final = -10
"""Below what any event takes: they read."""


class NoticeRooms:
    """Finds and makes the rooms."""

    def __init__(
        self,
        *,
        config: ServerNoticesConfig,
        sender: str,
        version: RoomVersion,
        rooms: Rooms,
        writer: Writer,
        new_rooms: NewRooms,
        member_content: MemberContent,
        tags: RoomTags,
    ) -> None:
        self._config = config
        self._sender = sender
        self._version = version
        self._rooms = rooms
        self._writer = writer
        self._new_rooms = new_rooms
        self._member_content = member_content
        self._tags = tags
        self._at_work: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def of(self, user_id: str) -> str:
        """The user's room, to which they are invited if they are not in it: the one there is, or a new one."""
        lock = self._at_work.get(user_id)
        if lock is None:
            lock = self._at_work[user_id] = asyncio.Lock()
        async with lock:
            room_id = await self.find(user_id)
            if room_id is None:
                return await self._make(user_id)
        await self._writer.write(room_id, self._looks_today)
        return room_id

    async def find(self, user_id: str) -> str | None:
        """The user's room, if there is one. At most three statements; mostly one."""
        db, keys = self._rooms.db, self._rooms.keys
        user_nid, sender_nid = await keys.find_user(db, user_id), await keys.find_user(db, self._sender)
        if user_nid is None or sender_nid is None:
            return None
        return await store.of_user(db, user_nid=user_nid, sender_nid=sender_nid, sender=self._sender)

    async def _make(self, user_id: str) -> str:
        """The room is tagged before the user can be in it, so that clients never show it as an ordinary one."""
        room = await self._new_rooms.begin(
            self._version, self._new_rooms.room_id(self._version), [self._sender, user_id]
        )
        drafts = await self._new_rooms.named(room, await self._first_events(user_id))
        await self._tags.put(Requester(user_id, None, None), user_id, room.room_id, TAG, {})
        await self._new_rooms.write(room, drafts, is_public=False)
        return room.room_id

    async def _first_events(self, user_id: str) -> list[Draft]:
        create: dict[str, Any] = {"room_version": self._version.identifier, "m.federate": False}
        if self._version.creator_in_content:
            create["creator"] = self._sender
        return [
            self._state("m.room.create", create),
            await self._membership(self._sender, "join"),
            self._state("m.room.power_levels", _power_levels(self._sender, self._version)),
            self._state("m.room.join_rules", {"join_rule": "invite"}),
            self._state("m.room.history_visibility", {"history_visibility": "shared"}),
            self._state("m.room.guest_access", {"guest_access": "can_join"}),
            *self._decoration(),
            await self._membership(user_id, "invite"),
        ]

    async def _looks_today(self, room: Room) -> Sequence[Draft]:
        """What the configuration says otherwise than when the room was made; what has not changed is not written."""
        return [await self._membership(self._sender, "join"), *self._decoration()]

    def _decoration(self) -> list[Draft]:
        config = self._config
        looks = [self._state("m.room.name", {"name": config.room_name})]
        if config.room_avatar_url is not None:
            looks.append(self._state("m.room.avatar", {"url": config.room_avatar_url}))
        if config.room_topic is not None:
            topic = {"topic": config.room_topic, "m.topic": {"m.text": [{"body": config.room_topic}]}}
            looks.append(self._state("m.room.topic", topic))
        return looks

    async def _membership(self, user_id: str, membership: str) -> Draft:
        return self._state("m.room.member", await self._member_content.of(user_id, membership), user_id)

    def _state(self, type: str, content: dict[str, Any], state_key: str = "") -> Draft:
        return Draft(sender=self._sender, type=type, state_key=state_key, content=content)


def _power_levels(sender: str, version: RoomVersion) -> dict[str, Any]:
    return {
        "users": {} if version.privileged_creators else {sender: 100},
        "users_default": LEVEL_OF_USERS,
        "events": {},
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 50,
        "notifications": {"room": 50},
    }
