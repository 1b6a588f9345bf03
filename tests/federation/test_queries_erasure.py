"""Servers that come after a user of ours wanted to be forgotten get what they said without its content."""

import pytest

from tests.api.asgi import Client
from tests.api.homeserver import Homeserver
from tests.federation.asked import OTHER, REMOTE, Asked, contents, message
from tests.rooms.remote_room import RemoteRoom


@pytest.mark.parametrize("erase", [True, False])
async def test_erased_users(homeserver: Homeserver, alice: Client, erase: bool) -> None:
    asked, room = Asked(homeserver), RemoteRoom()
    await room.let_in(homeserver, alice.user_id)
    said = await alice.say(room.room_id, "secret")
    (stored,) = (await homeserver.server.rooms.rooms.cache.by_id([said])).values()
    await homeserver.server.users.account_changes.deactivate(alice.user_id, erase=erase)
    visitor = f"@visitor:{OTHER}"
    room.after[said] = room.after[room.tip.event_id]
    room.tip = stored.event
    await asked.accept(room, room.join(visitor))
    for server, is_whole in ((REMOTE, True), (OTHER, not erase), (REMOTE, True)):
        found = await asked.queries.history.backfill(server, room.room_id, [said], 1)
        assert contents(found) == [message("secret") if is_whole else {}]
