"""`ranvier rooms partial`: as a process, with a server that answers as ours does, and with ours."""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ranvier.cli.rooms_partial import described, share
from tests.cli.programs import ranvier
from tests.conftest import DatabaseDict, StartHomeserver
from tests.process.person import open_person

ROOM: dict[str, Any] = {
    "room_id": "!great:a.test",
    "stage": "fetching",
    "joined_via": "a.test",
    "started_ts": 1,
    "servers_in_room": 1200,
    "members_fetched": 31415,
    "bytes_fetched": 50,
    "bytes_expected": 100,
    "events": 4,
    "residents_tried": ["a.test", "b.test"],
    "tries": 2,
    "next_try_ts": 5,
    "last_error": "b.test: 403 M_FORBIDDEN",
}


class Server(ThreadingHTTPServer):
    """Gives these answers, one after the other; the last one again and again."""

    answers: list[list[dict[str, Any]]]


class Answers(BaseHTTPRequestHandler):
    """Of the admin API."""

    server: Server

    def do_GET(self) -> None:  # the name the standard library calls
        """The rooms."""
        assert self.path == "/_synapse/admin/v1/partial_state_rooms"
        if self.headers["Authorization"] != "Bearer a token":
            self.send_error(403)
            return
        answers = self.server.answers
        content = json.dumps({"rooms": answers.pop(0) if len(answers) > 1 else answers[0]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answers) as made:
        made.answers = [[ROOM]]
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def _run(folder: Path, server: Server, *argv: str, token: str = "a token") -> tuple[int, str, str]:
    (folder / "token").write_text(token + "\n")
    url = f"http://127.0.0.1:{server.server_port}"
    done = ranvier(folder, "rooms", "partial", "--server-url", url, "--access-token-file", "token", *argv)
    return done.returncode, done.stdout, done.stderr


def test_rooms_are_described(server: Server, tmp_path: Path) -> None:
    status, told, wrong = _run(tmp_path, server)
    assert (status, wrong) == (0, "")
    for word in ("!great:a.test: fetching, 45 %", "through a.test", "1,200 servers", "31,415 members", "0 of 4 events"):
        assert word in told
    assert "asked: a.test, b.test" in told
    assert "failed 2 times" in told
    assert "403 M_FORBIDDEN" in told


def test_nothing_to_tell(server: Server, tmp_path: Path) -> None:
    server.answers = [[]]
    assert _run(tmp_path, server)[:2] == (0, "Everything is known of every room.\n")
    assert _run(tmp_path, server, "--watch")[:2] == (0, "Everything is known of every room.\n")


def test_watching_ends_when_everything_is_known(server: Server, tmp_path: Path) -> None:
    server.answers = [[ROOM], [{**ROOM, "stage": "replaying", "events_replayed": 2}], []]
    assert _run(tmp_path, server, "--watch") == (0, "Everything is known of the room.\n", "")


def test_who_may_not_know(server: Server, tmp_path: Path) -> None:
    status, told, wrong = _run(tmp_path, server, token="another")
    assert (status, told) == (1, "")
    assert "administrator" in wrong
    assert len(wrong.splitlines()) == 1


def test_without_a_token(server: Server, tmp_path: Path) -> None:
    assert "RANVIER_ACCESS_TOKEN" not in os.environ
    done = ranvier(tmp_path, "rooms", "partial", "--server-url", f"http://127.0.0.1:{server.server_port}")
    assert done.returncode == 1
    assert "no access token" in done.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "file:///etc/passwd", "nonsense"])
def test_nobody_there(url: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a token")
    done = ranvier(tmp_path, "rooms", "partial", "--server-url", url, "--access-token-file", "token")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_how_far_a_room_is() -> None:
    assert share({"stage": "fetching"}) == 0
    assert share({"stage": "fetching", "bytes_fetched": 200, "bytes_expected": 100}) == 90
    assert share({"stage": "waiting", "bytes_fetched": 10, "bytes_expected": 100}) == 9
    assert share({"stage": "replaying"}) == 90
    assert share({"stage": "replaying", "events": 4, "events_replayed": 2}) == 95


async def test_a_real_server(
    start_homeserver: StartHomeserver, db_config: DatabaseDict, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = start_homeserver(db_config)
    person = await open_person(session, server.url)
    (tmp_path / "token").write_text(person.token)
    done = ranvier(tmp_path, "rooms", "partial", "--server-url", server.url, "--access-token-file", "token")
    assert done.returncode == 1
    assert "administrator" in done.stderr


def test_the_documentation_shows_what_one_sees() -> None:
    document = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    shown = document.partition("$ ranvier rooms partial --access-token-file admin.token\n")[2].partition("$ ")[0]
    room = {key: value for key, value in ROOM.items() if key not in {"last_error", "tries", "next_try_ts"}}
    room |= {"room_id": "!great:example.org", "joined_via": "example.org", "residents_tried": ["example.org"]}
    told = described(room | {"started_ts": int((time.time() - 12) * 1000)})
    assert re.sub(r"1\d s ago", "12 s ago", told) + "\n" == shown
