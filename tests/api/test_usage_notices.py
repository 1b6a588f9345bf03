"""`mau_limit_alerting`: users are told, by a pinned notice, as long as the server has no place for more of them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.api.asgi import Client, in_room
from tests.api.homeserver import Homeserver, running
from tests.api.own_clock import OwnClock

DAY = 86_400_000
CONTACT = "mailto:admin@ranvier.test"


@asynccontextmanager
async def limited(db_config: Mapping[str, Any], clock: OwnClock, **options: object) -> AsyncIterator[Homeserver]:
    wanted = {
        "server_notices": {"system_mxid_localpart": "notices", "auto_join": True},
        "limit_usage_by_mau": True,
        "max_mau_value": 2,
        "admin_contact": CONTACT,
        **options,
    }
    async with running(db_config, clock, **wanted) as server:
        yield server


async def pinned(client: Client) -> list[dict[str, Any]]:
    """The contents of what is pinned in the rooms that the user is in."""
    found = []
    for room_id in (await client.get("/joined_rooms")).ok()["joined_rooms"]:
        answer = await client.state(room_id, "m.room.pinned_events")
        for event_id in answer.json.get("pinned", ()):
            event = (await client.get(f"{in_room(room_id)}/event/{event_id}")).ok()
            found.append(event["content"])
    return found


async def until(client: Client, count: int) -> list[dict[str, Any]]:
    """What is pinned as soon as it is so many."""
    async with asyncio.timeout(10):
        while True:
            (await client.get("/sync", timeout="0")).ok()
            found = await pinned(client)
            if len(found) == count:
                return found
            await asyncio.sleep(0)


async def test_users_are_told_as_long_as_it_holds(db_config: Mapping[str, Any]) -> None:
    clock = OwnClock(1_700_000_000_000)
    async with limited(db_config, clock) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        (await alice.get("/sync", timeout="0")).ok()
        assert await pinned(alice) == []
        clock.now += DAY
        (await bob.get("/sync", timeout="0")).ok()
        (content,) = await until(alice, 1)
        assert content.pop("body")
        assert content == {
            "msgtype": "m.server_notice",
            "server_notice_type": "m.server_notice.usage_limit_reached",
            "limit_type": "monthly_active_user",
            "admin_contact": CONTACT,
        }
        # Once, however often she looks.
        for _ in range(3):
            (await alice.get("/sync", timeout="0")).ok()
        assert len(await pinned(alice)) == 1
    # A restart does not forget that it is said, and takes it back when it does not hold any more.
    async with limited(db_config, clock) as server:
        alice = Client(server.app, token=alice.token, user_id=alice.user_id)
        await until(alice, 1)
    async with limited(db_config, clock, max_mau_value=3) as server:
        await until(Client(server.app, token=alice.token, user_id=alice.user_id), 0)


async def test_not_where_nobody_wants_it(db_config: Mapping[str, Any]) -> None:
    clock = OwnClock(1_700_000_000_000)
    async with limited(db_config, clock, mau_limit_alerting=False, max_mau_value=1) as server:
        alice = await server.register("alice")
        for _ in range(3):
            (await alice.get("/sync", timeout="0")).ok()
        assert (await alice.get("/joined_rooms")).ok()["joined_rooms"] == []
