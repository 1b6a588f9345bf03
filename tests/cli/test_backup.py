"""`ranvier backup` and `ranvier restore`, with servers as processes, on both engines."""

import asyncio
import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from tests.cli.programs import ranvier
from tests.conftest import DatabaseDict, StartHomeserver
from tests.process.person import Person, open_person
from tests.services.homeserver import HomeserverProcess

_KEY = "signed_curve25519"


async def _do(person: Person, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    status, answer = await person.ask(method, path, body)
    assert status == HTTPStatus.OK, answer
    return answer


async def _device(person: Person) -> tuple[str, str]:
    me = await _do(person, "GET", "/account/whoami")
    return str(me["user_id"]), str(me["device_id"])


async def _claim(person: Person, device: tuple[str, str]) -> list[str]:
    body = {"one_time_keys": {device[0]: {device[1]: _KEY}}}
    answer = await _do(person, "POST", "/keys/claim", body)
    return list(answer["one_time_keys"].get(device[0], {}).get(device[1], {}))


def _point(server: HomeserverProcess, database: DatabaseDict) -> None:
    """Let the configuration of a server that is stopped name another database."""
    file = server.folder / "homeserver.yaml"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"database": database}))


async def test_a_restored_server_goes_on_and_gives_nothing_out_twice(
    start_homeserver: StartHomeserver,
    db_config: DatabaseDict,
    second_database: DatabaseDict,
    session: aiohttp.ClientSession,
    tmp_path: Path,
) -> None:
    server = start_homeserver(db_config)
    media = server.folder / "media_store" / "local_content" / "aa"
    media.mkdir(parents=True)
    (media / "picture").write_bytes(b"\x00\x01")
    alice = await open_person(session, server.url)
    bob = await open_person(session, server.url)
    device = await _device(alice)
    keys = {f"{_KEY}:k{number}": {"key": "k", "signatures": {}} for number in range(5)}
    fallback = {f"{_KEY}:f": {"key": "f", "signatures": {}, "fallback": True}}
    await _do(alice, "POST", "/keys/upload", {"one_time_keys": keys, "fallback_keys": fallback})
    await alice.send("t1", "before the backup")

    writing = asyncio.create_task(_send_until_cancelled(bob))
    done = await asyncio.to_thread(ranvier, server.folder, "backup", "-c", "homeserver.yaml", str(tmp_path / "backup"))
    writing.cancel()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    await asyncio.gather(writing, return_exceptions=True)

    # What happens now is lost.
    given = await _claim(bob, device)
    status, _ = await alice.send("t2", "lost")
    assert status == HTTPStatus.OK
    before = (await _do(alice, "GET", "/sync"))["next_batch"]
    assert server.stop() == 0
    (media / "picture").unlink()
    _point(server, second_database)
    done = ranvier(server.folder, "restore", str(tmp_path / "backup"), "-c", "homeserver.yaml")
    assert done.returncode == 0, done.stderr
    assert (media / "picture").read_bytes() == b"\x00\x01"

    server.start()
    texts = [event["content"] for event in await _messages(alice)]
    assert [text["body"] for text in texts] == ["before the backup"]
    uploaded = await _do(alice, "POST", "/keys/upload", {})
    assert uploaded["one_time_key_counts"].get(_KEY, 0) == 0
    assert len(given) == 1
    assert await _claim(bob, device) == [f"{_KEY}:f"]
    sync = await _do(alice, "GET", f"/sync?since={before}")
    assert sync["device_unused_fallback_key_types"] == []
    status, sent = await alice.send("t3", "after")
    assert status == HTTPStatus.OK
    seen = await _do(alice, "GET", f"/sync?since={before}")
    timeline = seen["rooms"]["join"][alice.room_id]["timeline"]["events"]
    assert [event["event_id"] for event in timeline] == [sent["event_id"]]
    assert all(_not_before(before, seen["next_batch"]))
    again = ranvier(server.folder, "restore", str(tmp_path / "backup"), "-c", "homeserver.yaml")
    assert again.returncode == 1
    assert "exists" in again.stderr or "has tables already" in again.stderr or "is not empty" in again.stderr


def _not_before(older: str, newer: str) -> list[bool]:
    """For the streams of events, account data, receipts, messages to devices and device lists."""
    pairs = list(zip(older[1:].split("_"), newer[1:].split("_"), strict=True))
    return [int(after) > int(before) for number, (before, after) in enumerate(pairs) if number not in (3, 4)]


async def _messages(person: Person) -> list[dict[str, Any]]:
    page = await _do(person, "GET", f"/rooms/{person.room_id}/messages?dir=b&limit=100")
    return [event for event in page["chunk"] if event["type"] == "m.room.message"]


async def _send_until_cancelled(person: Person) -> None:
    number = 0
    while True:
        status, _ = await person.send(f"n{number}", f"number {number}")
        assert status == HTTPStatus.OK
        number += 1


async def test_the_files_of_the_configuration_are_put_back(
    start_homeserver: StartHomeserver, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = start_homeserver({"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}})
    alice = await open_person(session, server.url)
    assert server.stop() == 0
    done = ranvier(server.folder, "backup", "-c", str(server.folder / "homeserver.yaml"), str(tmp_path / "backup"))
    assert done.returncode == 0, done.stderr

    (tmp_path / "homeserver.db").unlink()
    original = (server.folder / "homeserver.yaml").read_text()
    (server.folder / "homeserver.yaml").write_text("server_name: other\n")
    refused = ranvier(tmp_path, "restore", str(tmp_path / "backup"))
    assert refused.returncode == 1
    assert "there are other files in the places of those in the backup" in refused.stderr

    (server.folder / "homeserver.yaml").unlink()
    (server.folder / "signing.key").unlink()
    done = ranvier(tmp_path, "restore", str(tmp_path / "backup"))
    assert done.returncode == 0, done.stderr
    assert (server.folder / "homeserver.yaml").read_text() == original
    server.start()
    assert (await _device(alice))[0].startswith("@user-")


async def test_a_damaged_backup_is_not_restored(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server = start_homeserver({"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}})
    backup = tmp_path / "backup"
    assert ranvier(server.folder, "backup", "-c", "homeserver.yaml", str(backup)).returncode == 0
    again = ranvier(server.folder, "backup", "-c", "homeserver.yaml", str(backup))
    assert (again.returncode, again.stderr) == (
        1,
        f"ranvier backup: {backup} is not empty; a backup wants a folder of its own\n",
    )
    assert ranvier(tmp_path, "restore", "--check", str(backup)).returncode == 0
    database = backup / "database" / "homeserver.db"
    content = bytearray(database.read_bytes())
    content[5000] ^= 1
    database.write_bytes(content)
    for words in (["--check"], []):
        done = ranvier(tmp_path, "restore", *words, str(backup))
        assert done.returncode == 1
        assert "database/homeserver.db is not what was written" in done.stderr
    (backup / "manifest.json").unlink()
    done = ranvier(tmp_path, "restore", str(backup))
    assert done.returncode == 1
    assert "holds no finished backup" in done.stderr


async def test_another_server_s_configuration_is_refused(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server = start_homeserver({"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}})
    backup = str(tmp_path / "backup")
    assert ranvier(server.folder, "backup", "-c", "homeserver.yaml", backup).returncode == 0
    for name, said in (("other.example", "not of other.example"), ("test.example", "none of the signing keys")):
        (tmp_path / "a.yaml").write_text(f"server_name: {name}\nsigning_key_path: {tmp_path}/{name}.key\n")
        assert ranvier(tmp_path, "-c", "a.yaml", "--generate-keys").returncode == 0
        done = ranvier(tmp_path, "restore", backup, "-c", "a.yaml")
        assert done.returncode == 1
        assert said in done.stderr
    assert not (tmp_path / "homeserver.db.restoring").exists()
