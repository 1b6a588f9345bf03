"""`export-data`: everything that the server keeps of a user, while it runs (SR-55, SR-56)."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from ranvier.cli.export_folder import NOTE
from ranvier.store.events import POS_BITS
from tests.cli.programs import python_module, ranvier
from tests.process.person import Person, open_person
from tests.services.homeserver import HomeserverProcess


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def _me(person: Person) -> str:
    status, answer = await person.ask("GET", "/account/whoami")
    assert status == HTTPStatus.OK
    return str(answer["user_id"])


async def _do(person: Person, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    status, answer = await person.ask(method, path, body or {})
    assert status == HTTPStatus.OK, answer
    return answer


async def test_a_user_in_every_kind_of_room(
    homeserver_process: HomeserverProcess, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    alice = await open_person(session, homeserver_process.url)
    bob = await open_person(session, homeserver_process.url)
    user_id = await _me(alice)
    for number in range(3):
        await alice.send(f"t{number}", f"mine {number}")
    await _do(alice, "PUT", f"/user/{user_id}/account_data/org.test", {"a": 1})
    await _do(alice, "PUT", f"/user/{user_id}/rooms/{alice.room_id}/account_data/org.room", {"b": 2})
    await _do(alice, "PUT", f"/profile/{user_id}/displayname", {"displayname": "Älice"})
    # A room of another, that only members see, joined and left.
    rule = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}
    other = (await _do(bob, "POST", "/createRoom", {"preset": "public_chat", "initial_state": [rule]}))["room_id"]
    bob.room_id = other
    await bob.send("t1", "before")
    await _do(alice, "POST", f"/join/{other}")
    await bob.send("t2", "meanwhile")
    await _do(alice, "POST", f"/rooms/{other}/leave")
    await bob.send("t3", "after")
    door = (await _do(bob, "POST", "/createRoom", {"invite": [user_id], "name": "Door"}))["room_id"]

    created = await session.post(
        f"{homeserver_process.url}/_matrix/media/v3/upload?filename=a.txt",
        data=b"mine",
        headers={"Authorization": f"Bearer {alice.token}", "Content-Type": "text/plain"},
    )
    media_id = (await created.json())["content_uri"].rpartition("/")[2]

    words = ["-c", "homeserver.yaml", "export-data", user_id, "--output-directory", str(tmp_path / "out")]
    done = python_module(homeserver_process.folder, "ranvier.app.admin_cmd", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "out")
    assert f"{user_id}: " in done.stderr

    out = tmp_path / "out"
    own = [event["content"].get("body") for event in _lines(out / "rooms" / alice.room_id / "events")]
    assert [body for body in own if body] == ["mine 0", "mine 1", "mine 2"]
    seen = [event["content"].get("body") for event in _lines(out / "rooms" / other / "events")]
    assert [body for body in seen if body] == ["meanwhile"]
    state = {(event["type"], event["state_key"]): event["content"] for event in _lines(out / "rooms" / other / "state")}
    assert state["m.room.member", user_id]["membership"] == "leave"
    names = [event["content"].get("name") for event in _lines(out / "rooms" / door / "invite_state")]
    assert "Door" in names
    assert not (out / "rooms" / door / "events").exists()
    uploaded = json.loads((out / "media_ids" / media_id).read_text())
    assert (uploaded["upload_name"], uploaded["media_length"]) == ("a.txt", 4)
    profile = json.loads((out / "user_data" / "profile").read_text())
    assert (profile["user_id"], profile["profile"]["displayname"]) == (user_id, "Älice")
    assert len(_lines(out / "user_data" / "devices")) == 1
    assert (out / "user_data" / "connections").exists()
    assert json.loads((out / "user_data" / "account_data" / "global").read_text())["org.test"] == {"a": 1}
    assert json.loads((out / "user_data" / "account_data" / alice.room_id).read_text()) == {"org.room": {"b": 2}}
    assert (out / "media_ids").is_dir()
    assert not (out / NOTE).exists()
    assert out.stat().st_mode & 0o077 == 0


async def test_an_interrupted_export_goes_on(
    homeserver_process: HomeserverProcess, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    alice = await open_person(session, homeserver_process.url)
    user_id = await _me(alice)
    await alice.send("t1", "first")
    words = ["export-data", "-c", "homeserver.yaml", user_id, "--output-directory"]
    assert ranvier(homeserver_process.folder, *words, str(tmp_path / "whole")).returncode == 0
    whole = (tmp_path / "whole" / "rooms" / alice.room_id / "events").read_bytes()

    # As if it had been cut off within the room, after two events and in the middle of the third.
    part = tmp_path / "part"
    (part / "rooms" / alice.room_id).mkdir(parents=True)
    lines = whole.splitlines(keepends=True)
    (part / "rooms" / alice.room_id / "events").write_bytes(b"".join(lines[:2]) + lines[2][:10])
    upto_pos = len(lines)  # the only room there is
    note = {
        "user_id": user_id,
        "upto_pos": upto_pos,
        "room": f"rooms/{alice.room_id}",
        "pos": 2 << POS_BITS,
        "size_bytes": len(b"".join(lines[:2])),
    }
    (part / NOTE).write_bytes(msgspec.json.encode(note))
    await alice.send("t2", "later")
    done = ranvier(homeserver_process.folder, *words, str(part))
    assert done.returncode == 0, done.stderr
    assert (part / "rooms" / alice.room_id / "events").read_bytes() == whole
    assert not (part / NOTE).exists()

    refused = ranvier(homeserver_process.folder, *words, str(part))
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr


@pytest.mark.parametrize(
    ("user_id", "said"),
    [
        ("alice", "alice is not a full user ID; write @alice:test.example"),
        ("@alice", "@alice is not a full user ID; write @alice:test.example"),
        ("@alice:elsewhere.example", "@alice:elsewhere.example is not a user of test.example"),
        ("@nobody:test.example", "there is no user @nobody:test.example here"),
    ],
)
async def test_who_cannot_be_exported(homeserver_process: HomeserverProcess, user_id: str, said: str) -> None:
    done = ranvier(homeserver_process.folder, "export-data", "-c", "homeserver.yaml", user_id)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"export-data: {said}\n"
