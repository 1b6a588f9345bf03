"""`synadm`, the tool of many administrators, works against this server as it is."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import DatabaseDict, StartHomeserver
from tests.process.admins import Synadm, make_admin
from tests.process.person import Person, open_person
from tests.services.homeserver import SERVER_NAME, HomeserverProcess


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def synadm(session: aiohttp.ClientSession, homeserver_process: HomeserverProcess, tmp_path: Path) -> Synadm:
    return Synadm(homeserver_process, await make_admin(session, homeserver_process), tmp_path)


@pytest.fixture
async def anna(session: aiohttp.ClientSession, homeserver_process: HomeserverProcess) -> Person:
    """Somebody in a room of their own."""
    return await open_person(session, homeserver_process.url)


async def test_users(synadm: Synadm) -> None:
    assert "server_version" in await synadm("version")
    bob = f"@bob:{SERVER_NAME}"
    made = await synadm("user", "modify", bob, "--password", "much secret", "--display-name", "Bob")
    assert (made["name"], made["displayname"]) == (bob, "Bob")
    listed = await synadm("user", "list")
    assert {one["name"] for one in listed["users"]} == {bob, f"@root:{SERVER_NAME}"}
    assert [one["name"] for one in (await synadm("user", "search", "bob"))["users"]] == [bob]
    assert [one["name"] for one in (await synadm("user", "list", "--admins"))["users"]] == [f"@root:{SERVER_NAME}"]
    assert (await synadm("user", "modify", bob, "--admin"))["admin"] is True
    assert (await synadm("user", "details", bob))["admin"] is True
    assert (await synadm("user", "whois", f"@root:{SERVER_NAME}"))["user_id"] == f"@root:{SERVER_NAME}"
    assert (await synadm("user", "membership", bob))["joined_rooms"] == []
    assert "access_token" in await synadm("user", "login", bob)
    assert await synadm("user", "password", bob, "--password", "another one") == {}
    await synadm("user", "shadow-ban", bob)
    assert (await synadm("user", "details", bob))["shadow_banned"] is True
    await synadm("user", "deactivate", bob)
    assert (await synadm("user", "details", bob))["deactivated"] is True


async def test_rooms(synadm: Synadm, anna: Person) -> None:
    room_id = anna.room_id
    assert [one["room_id"] for one in (await synadm("room", "list"))["rooms"]] == [room_id]
    assert (await synadm("room", "details", room_id))["joined_members"] == 1
    assert (await synadm("room", "members", room_id))["total"] == 1
    assert "m.room.create" in {event["type"] for event in (await synadm("room", "state", room_id))["state"]}
    assert (await synadm("room", "block", room_id))["block"] is True
    assert (await synadm("room", "block-status", room_id))["user_id"] == f"@root:{SERVER_NAME}"
    assert (await synadm("room", "block", "--unblock", room_id))["block"] is False
    delete_id = (await synadm("room", "delete", room_id))["delete_id"]
    done = await until(synadm, ("room", "delete-status", "--delete-id", delete_id))
    assert done["status"] == "complete"
    assert (await synadm("room", "list"))["rooms"] == []


async def test_registration_tokens(synadm: Synadm) -> None:
    made = await synadm("regtok", "new", "--token", "come-in", "--uses-allowed", "2")
    assert (made["token"], made["uses_allowed"]) == ("come-in", 2)
    assert (await synadm("regtok", "update", "come-in", "--uses-allowed", "3"))["uses_allowed"] == 3
    assert (await synadm("regtok", "details", "come-in"))["completed"] == 0
    assert [one["token"] for one in (await synadm("regtok", "list"))["registration_tokens"]] == ["come-in"]
    await synadm("regtok", "delete", "come-in")
    assert (await synadm("regtok", "list"))["registration_tokens"] == []


async def test_history(synadm: Synadm, anna: Person) -> None:
    for number in range(3):
        await anna.send(f"t{number}", f"old {number}")
    _, last = await anna.send("last", "new")
    begun = await synadm("history", "purge", "--delete-local", "--before-event-id", last["event_id"], anna.room_id)
    done = await until(synadm, ("history", "purge-status", begun["purge_id"]))
    assert done["status"] == "complete"
    assert await anna.history() == {last["event_id"]: 1}


async def test_notices(session: aiohttp.ClientSession, start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    database: DatabaseDict = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    server = start_homeserver(database, server_notices={"system_mxid_localpart": "notices"})
    synadm = Synadm(server, await make_admin(session, server), tmp_path)
    sent = await synadm("notice", "send", "root", "We are moving", "<b>We are moving</b>")
    assert sent["event_id"].startswith("$")
    # To everybody whose name begins so, one by one: to the sender as the last, who cannot be told anything.
    last = await synadm("notice", "send", "--regex", f"@(root|notices):{SERVER_NAME}", "We have moved")
    assert "event_id" in last or last["errcode"] == "M_INVALID_PARAM"
    (room,) = (await synadm("room", "list"))["rooms"]
    assert (room["name"], room["creator"]) == ("Server Notices", f"@notices:{SERVER_NAME}")


async def until(synadm: Synadm, command: tuple[str, ...]) -> Any:
    """What is said of work in the background when it is done."""
    while True:
        status = await synadm(*command)
        if status["status"] in ("complete", "failed"):
            return status
        await asyncio.sleep(0)  # The next question takes its time.
