"""Rooms that are encrypted from their first moment on: `encryption_enabled_by_default_for_room_type`."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.asgi import Client, in_room
from tests.api.homeserver import running
from tests.e2ee.person import register

_MEGOLM = "m.megolm.v1.aes-sha2"


async def _algorithm(client: Client, room_id: str) -> str | None:
    """How a room is encrypted; `None` if it is not."""
    answer = await client.get(f"{in_room(room_id)}/state/m.room.encryption/")
    if answer.status == 404:
        return None
    algorithm: str = answer.ok()["algorithm"]
    return algorithm


@pytest.mark.parametrize(
    ("option", "private", "public"), [("all", _MEGOLM, _MEGOLM), ("invite", _MEGOLM, None), ("off", None, None)]
)
async def test_which_rooms_are_encrypted(
    db_config: Mapping[str, Any], option: str, private: str | None, public: str | None
) -> None:
    async with running(db_config, encryption_enabled_by_default_for_room_type=option) as server:
        client = (await register(server, "alice")).client
        rooms = [
            ({"preset": "private_chat"}, private),
            ({"preset": "trusted_private_chat"}, private),
            ({"preset": "public_chat"}, public),
            ({}, private),
            ({"visibility": "private"}, private),
            ({"visibility": "public"}, public),
        ]
        for options, expected in rooms:
            assert await _algorithm(client, await client.create_room(**options)) == expected, options


async def test_what_the_creator_asks_for_comes_first(db_config: Mapping[str, Any]) -> None:
    async with running(db_config, encryption_enabled_by_default_for_room_type="all") as server:
        client = (await register(server, "alice")).client
        content = {"algorithm": "m.megolm.v2.aes-sha2", "rotation_period_msgs": 5}
        encryption = {"type": "m.room.encryption", "state_key": "", "content": content}
        room_id = await client.create_room(initial_state=[encryption])
        assert (await client.get(f"{in_room(room_id)}/state/m.room.encryption/")).ok() == content
