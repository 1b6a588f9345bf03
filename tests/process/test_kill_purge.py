"""Killed while it deletes a room's history, the server goes on with that when it is back."""

import asyncio
from http import HTTPStatus
from typing import Final

import aiohttp

from tests.process.admins import ask_admin_api, make_admin
from tests.process.person import open_person
from tests.services.homeserver import HomeserverProcess

MESSAGES: Final = 1500
"""More than one portion of deleting."""
AT_ONCE: Final = 100


async def test_a_purge_survives_a_kill(homeserver_process: HomeserverProcess) -> None:
    server = homeserver_process
    async with aiohttp.ClientSession() as session:
        admin = await make_admin(session, server)
        anna = await open_person(session, server.url)
        for start in range(0, MESSAGES, AT_ONCE):
            sent = await asyncio.gather(*(anna.send(f"t{n}", f"old {n}") for n in range(start, start + AT_ONCE)))
            assert {status for status, _ in sent} == {HTTPStatus.OK}
        _, last = await anna.send("last", "new")
        wish = {"delete_local_events": True, "purge_up_to_event_id": last["event_id"]}
        path = f"/v1/purge_history/{anna.room_id}"
        begun = await ask_admin_api(session, server, admin, "POST", path, wish)
        server.kill()
        await asyncio.to_thread(server.start)
        path = f"/v1/purge_history_status/{begun['purge_id']}"
        status = "active"
        while status == "active":
            status = (await ask_admin_api(session, server, admin, "GET", path))["status"]
        assert status == "complete"
        assert await anna.history() == {last["event_id"]: 1}
