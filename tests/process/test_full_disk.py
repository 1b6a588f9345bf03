"""When the database cannot grow, clients are told; nothing acknowledged is lost, and it works again afterwards.

A limit on the size of files stands for the full disk: it needs no privileges, and fails the same system calls.
"""

import resource
from http import HTTPStatus
from pathlib import Path

import aiohttp

from tests.conftest import StartHomeserver
from tests.process.person import Person, open_person
from tests.services.homeserver import HomeserverProcess

_BODY = "x" * 50_000
_ROOM_TO_GROW = 1_000_000
_MOST_SENDS = 200


def _largest_file(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _limit_files(server: HomeserverProcess, size_bytes: int) -> None:
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


async def _send_until_refused(person: Person) -> tuple[dict[str, str], str]:
    """What was acknowledged, by transaction, and the transaction that was refused."""
    promised: dict[str, str] = {}
    for number in range(_MOST_SENDS):
        txn_id = f"t{number}"
        status, answer = await person.send(txn_id, _BODY)
        if status != HTTPStatus.OK:
            assert status >= HTTPStatus.INTERNAL_SERVER_ERROR
            assert answer["errcode"] == "M_UNKNOWN"
            assert "error" in answer
            return promised, txn_id
        promised[txn_id] = answer["event_id"]
    raise AssertionError("the database grew beyond the limit")


async def _check_everything(person: Person, promised: dict[str, str], refused: str) -> None:
    """Nothing acknowledged is gone; what was refused can be sent now, under its transaction."""
    assert await person.history() == dict.fromkeys(promised.values(), 1)
    status, answer = await person.send(refused, _BODY)
    assert status == HTTPStatus.OK, answer
    for txn_id, event_id in promised.items():
        assert (await person.send(txn_id, _BODY))[1] == {"event_id": event_id}
    assert await person.history() == dict.fromkeys([*promised.values(), answer["event_id"]], 1)


async def test_a_full_disk_loses_nothing(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    folder = tmp_path / "database"
    folder.mkdir()
    server = start_homeserver({"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}})
    async with aiohttp.ClientSession() as session:
        person = await open_person(session, server.url)
        _limit_files(server, _largest_file(folder) + _ROOM_TO_GROW)
        promised, refused = await _send_until_refused(person)
        assert promised
        # Reading goes on while the disk is full, and a refused message is not there.
        assert await person.history() == dict.fromkeys(promised.values(), 1)
        server.kill()
        server.start()
        await _check_everything(person, promised, refused)


async def test_a_disk_with_space_again_needs_no_restart(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    folder = tmp_path / "database"
    folder.mkdir()
    server = start_homeserver({"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}})
    async with aiohttp.ClientSession() as session:
        person = await open_person(session, server.url)
        _limit_files(server, _largest_file(folder) + _ROOM_TO_GROW)
        promised, refused = await _send_until_refused(person)
        _limit_files(server, resource.RLIM_INFINITY)
        await _check_everything(person, promised, refused)
