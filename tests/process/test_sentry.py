"""Errors are told to Sentry, where there is one."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import StartHomeserver
from tests.process.collectors import Collector, collecting
from tests.process.refusal import refusal
from tests.process.test_manhole import connect, start_manhole
from tests.services.homeserver import HomeserverProcess

_BREAK = """
async def broken(*_):
    hidden = 'a secret variable'
    raise RuntimeError('broken on purpose')

type(hs.db).one = type(hs.db).all = type(hs.db).value = broken
"""


async def _break(manhole: int) -> None:
    async with await connect(manhole) as connection:
        await connection.run(input=_BREAK)


def _fail(server: HomeserverProcess) -> None:
    """A request that the server has no answer for."""
    request = urllib.request.Request(f"{server.url}/_matrix/client/v3/profile/@nobody:test.example")
    request.add_header("Authorization", "Bearer a secret token")
    with pytest.raises(urllib.error.HTTPError, match="500"):
        urllib.request.urlopen(request, timeout=30)


async def test_an_error_is_told(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    with collecting() as sentry:
        options = {"dsn": f"http://key@127.0.0.1:{sentry.port}/7", "environment": "proving ground"}
        server, manhole = start_manhole(start_homeserver, tmp_path, sentry=options)
        await _break(manhole)
        _fail(server)
        sentry.wait(sentry.events)
        _check(sentry)


def _check(sentry: Collector) -> None:
    event = sentry.events()[0]
    assert sentry.bodies[0][0] == "/api/7/envelope/"
    assert event["exception"]["values"][-1]["value"] == "broken on purpose"
    assert (event["environment"], event["server_name"]) == ("proving ground", "test.example")
    assert event["release"].startswith("ranvier@")
    assert event["tags"]["request"].startswith("GET-")
    assert all(b"secret" not in body.replace(b"hidden = 'a secret variable'", b"") for _, body in sentry.bodies)


async def test_nothing_is_loaded_where_nobody_is_told(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    _, manhole = start_manhole(start_homeserver, tmp_path)
    async with await connect(manhole) as connection:
        asked = "import sys; [name for name in sys.modules if name.split('.')[0] in ('sentry_sdk', 'opentelemetry')]"
        assert (await connection.run(asked)).stdout == "[]\n"


def test_what_cannot_be(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server, _ = start_manhole(start_homeserver, tmp_path)
    server.stop()
    server.write_options(sentry={"dsn": "nowhere"})
    assert "option sentry.dsn: " in refusal(server)
    server.write_options(sentry={"dsn": "http://key@127.0.0.1:1/7"})
    (tmp_path / "sentry_sdk.py").write_text("raise ModuleNotFoundError('No module named sentry_sdk')")
    assert "pip install 'ranvier[sentry]'" in refusal(server, modules=tmp_path)
