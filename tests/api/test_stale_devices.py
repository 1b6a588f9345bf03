"""Devices that nobody uses any more, on both engines."""

from collections.abc import Mapping
from typing import Any

from tests.api.asgi import Client
from tests.api.homeserver import Homeserver, running
from tests.api.own_clock import OwnClock

DAY_MS = 24 * 3_600_000


async def _log_in(homeserver: Homeserver, name: str) -> Client:
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": name},
        "password": "correct horse",
    }
    answer = (await homeserver.stranger().post("/login", body)).ok()
    return Client(homeserver.app, token=answer["access_token"], user_id=answer["user_id"])


async def test_what_nobody_has_used_for_long_is_removed(db_config: Mapping[str, Any]) -> None:
    clock = OwnClock(1_700_000_000_000)
    async with running(db_config, clock, delete_stale_devices_after="30d") as homeserver:
        stale = homeserver.server.users.stale_devices
        assert stale is not None
        alice = await homeserver.register("alice")
        bob = await homeserver.register("bob")
        second = await _log_in(homeserver, "alice")
        for client in (alice, bob, second):
            (await client.get("/account/whoami")).ok()
        assert await stale.remove() == 0
        clock.now += 29 * DAY_MS
        (await second.get("/account/whoami")).ok()
        assert await stale.remove() == 0
        clock.now += 2 * DAY_MS
        # Two of the three; the third has been seen, and so has not yet been written down that it was.
        assert await stale.remove() == 2
        for client in (alice, bob):
            (await client.get("/account/whoami")).refused(401, "M_UNKNOWN_TOKEN")
        assert len((await second.get("/devices")).ok()["devices"]) == 1


async def test_without_the_option_nothing_is_removed(homeserver_on_each: Homeserver) -> None:
    assert homeserver_on_each.server.users.stale_devices is None
