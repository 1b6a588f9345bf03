"""Tags that users put on rooms. Spec: client-server API, "Room Tagging": they are the account data `m.tag` of the room."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec

from ranvier.proto.errors import bad_json, forbidden, invalid_param
from ranvier.proto.ids import is_room_id
from ranvier.proto.limits import is_too_long
from ranvier.users.account_data import AccountData
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable

TAG: Final = "m.tag"

Tags = dict[str, Any]
"""What is said about each tag, by its name."""


class RoomTags:
    """Reads and changes tags."""

    def __init__(self, *, account_data: AccountData) -> None:
        self._account_data = account_data
        self._changing: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def get(self, requester: Requester, user_id: str, room_id: str) -> Tags:
        """The tags of a room. One statement. Raises 403 `M_FORBIDDEN`, 400 `M_INVALID_PARAM`."""
        _check_access(requester, user_id, room_id)
        return await self._read(user_id, room_id)

    async def put(self, requester: Requester, user_id: str, room_id: str, tag: str, about: Mapping[str, Any]) -> None:
        """Add a tag, or change what is said about it. Raises as `get`, and 400 `M_BAD_JSON`."""
        if is_too_long(tag) or not is_storable(tag):
            raise invalid_param("A tag takes at most 255 bytes")
        order = about.get("order")
        if order is not None and (isinstance(order, bool) or not isinstance(order, int | float)):
            raise bad_json("order: expected a number")
        await self._change(requester, user_id, room_id, lambda tags: {**tags, tag: dict(about)})

    async def delete(self, requester: Requester, user_id: str, room_id: str, tag: str) -> None:
        """Remove a tag, if it is there. Raises as `get`."""
        await self._change(
            requester, user_id, room_id, lambda tags: {name: about for name, about in tags.items() if name != tag}
        )

    async def _change(self, requester: Requester, user_id: str, room_id: str, edit: Callable[[Tags], Tags]) -> None:
        """One statement to read, and one transaction if there is a change."""
        _check_access(requester, user_id, room_id)
        async with self._changing.setdefault((user_id, room_id), asyncio.Lock()):
            before = await self._read(user_id, room_id)
            after = edit(before)
            if after != before:
                await self._account_data.store(user_id, room_id, TAG, _encoded(after))

    async def _read(self, user_id: str, room_id: str) -> Tags:
        content = await self._account_data.content(user_id, room_id, TAG)
        # Clients can also set it as any other account data, in any shape.
        tags = None if content is None else msgspec.json.decode(content, type=dict[str, Any]).get("tags")
        return tags if isinstance(tags, dict) else {}


def _check_access(requester: Requester, user_id: str, room_id: str) -> None:
    if requester.user_id != user_id:
        raise forbidden("Cannot access tags of other users")
    if not is_room_id(room_id):
        raise invalid_param("Not a room id")


def _encoded(tags: Tags) -> bytes:
    try:
        return msgspec.json.encode({"tags": tags})
    except (OverflowError, UnicodeError, RecursionError) as error:
        raise bad_json("The tag cannot be stored") from error
