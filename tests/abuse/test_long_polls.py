"""Idle long polls cost little memory, and keep nobody from being answered."""

from pathlib import Path

from tests.abuse.long_polls import poll
from tests.conftest import StartHomeserver

POLLS = 500
KIB_EACH = 40


async def test_many_idle_long_polls(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server = start_homeserver({"name": "sqlite3", "args": {"database": f"{tmp_path}/homeserver.db"}})
    found = await poll(server, POLLS)
    assert found.ended == 0
    assert found.kib_each < KIB_EACH
