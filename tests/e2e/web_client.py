"""Hydrogen and matrix-js-sdk in Chromium, against a homeserver process: `make e2e`.

Chromium is a program of the machine's, so this file is not among those that `make test` collects. Without Chromium it fails.
"""

import json
import secrets
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import DatabaseDict, StartHomeserver
from tests.services.node import install_packages, node_program

HERE = Path(__file__).parent
ARTEFACTS = HERE.parents[1] / "build" / "e2e"
"""Where the screenshots stay."""
PASSWORD = "correct horse battery staple"
_STORY_S = 600


def chromium() -> Path:
    """Where Chromium is."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found is not None, "Chromium is missing: apt install chromium"
    return Path(found)


def register(url: str, name: str) -> None:
    """Make an account."""
    body = {"username": name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}, "inhibit_login": True}
    request = urllib.request.Request(
        f"{url}/_matrix/client/v3/register", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages with both clients, bundled."""
    install_packages(HERE)
    folder = tmp_path_factory.mktemp("pages")
    subprocess.run([str(node_program()), "build.mjs", str(folder)], cwd=HERE, check=True, timeout=300)
    return folder


def test_two_people_talk_in_browsers(start_homeserver: StartHomeserver, pages: Path, tmp_path: Path) -> None:
    database: DatabaseDict = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    server = start_homeserver(database)
    alice, bob = (f"{name}-{secrets.token_hex(3)}" for name in ("alice", "bob"))
    for name in (alice, bob):
        register(server.url, name)
    shutil.rmtree(ARTEFACTS, ignore_errors=True)
    ARTEFACTS.mkdir(parents=True)
    done = subprocess.run(
        [
            str(node_program()),
            "story.mjs",
            server.url,
            str(pages),
            str(ARTEFACTS),
            str(chromium()),
            alice,
            bob,
            PASSWORD,
        ],
        cwd=HERE,
        timeout=_STORY_S,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (ARTEFACTS / "story.log").write_text(done.stdout)
    assert done.returncode == 0, done.stdout[-12_000:]
    assert "Traceback" not in server.output()
