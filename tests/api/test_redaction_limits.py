"""Redacting what others said is moderating, which may have a limit of its own."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.api.homeserver import running

OFTEN = {"per_second": 1000, "burst_count": 1000}
TWICE = {"per_second": 0.001, "burst_count": 2}


@pytest.mark.parametrize(
    ("limits", "own", "others"),
    [
        ({"rc_message": OFTEN, "rc_admin_redaction": TWICE}, 4, 2),
        ({"rc_message": OFTEN}, 4, 4),
    ],
)
async def test_redactions(tmp_path: Path, limits: Mapping[str, object], own: int, others: int) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "limits.db")}}
    async with running(database, **limits) as server:
        alice, bob = [await server.register(name) for name in ("alice", "bob")]
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
        for client, expected in ((alice, own), (bob, others)):
            said = [await client.say(room_id, str(number)) for number in range(4)]
            answers = [(await alice.redact(room_id, event_id)).status for event_id in said]
            assert answers == [200] * expected + [429] * (4 - expected)


async def test_without_one_they_count_as_messages(tmp_path: Path) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "limits.db")}}
    async with running(database, rc_message={"per_second": 0.001, "burst_count": 3}) as server:
        alice, bob = [await server.register(name) for name in ("alice", "bob")]
        room_id = await alice.create_room(preset="public_chat")
        (await bob.act(room_id, "join")).ok()
        theirs, mine = await bob.say(room_id, "1"), await alice.say(room_id, "1")
        (await alice.redact(room_id, theirs)).ok()
        (await alice.redact(room_id, mine)).ok()
        (await alice.redact(room_id, mine)).refused(429, "M_LIMIT_EXCEEDED")
