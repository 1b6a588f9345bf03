"""The life of the process: it starts, ends when it is asked to, and is the same server afterwards."""

import json
import urllib.request

from tests.conftest import DatabaseDict, StartHomeserver
from tests.services.homeserver import HomeserverProcess


def _signing_keys(server: HomeserverProcess) -> str:
    return (server.folder / "signing.key").read_text()


def test_ends_when_asked(homeserver_process: HomeserverProcess) -> None:
    assert homeserver_process.stop() == 0


def test_is_the_same_server_after_a_restart(start_homeserver: StartHomeserver, db_config: DatabaseDict) -> None:
    server = start_homeserver(db_config)
    keys = _signing_keys(server)
    server.kill()
    server.start()
    assert _signing_keys(server) == keys
    with urllib.request.urlopen(f"{server.url}/_matrix/client/versions") as answer:
        assert "v1.11" in json.load(answer)["versions"]
