"""JSON that is deep, wide, long or odd is refused or taken, and nobody else waits for it."""

from pathlib import Path

import pytest

from tests.api.asgi import Client, in_room
from tests.api.homeserver import running

DEEP = 200_000
WIDE = 60_000
BODIES = {
    "deep arrays": b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep and never closed": b'{"a":' * DEEP,
    "wide objects": b"{" + b",".join(b'"%d":1' % number for number in range(WIDE)) + b"}",
    "wide arrays": b'{"a":[' + b",".join([b"1"] * WIDE) + b"]}",
    "one key over and over": b"{" + b",".join([b'"a":1'] * WIDE) + b"}",
    "keys that look alike": b"{" + b",".join(b'"%s":1' % (b"A" * n) for n in range(1, 600)) + b"}",
    "a long string": b'{"a":"' + b"x" * 200_000 + b'"}',
    "a long number": b'{"a":' + b"9" * 200_000 + b"}",
    "a long fraction": b'{"a":0.' + b"9" * 200_000 + b"}",
    "a huge exponent": b'{"a":1e999999999}',
    "escapes": b'{"a":"' + b"\\u0000" * 30_000 + b'"}',
    "half of a pair": b'{"a":"\\ud800"}',
    "backslashes": b'{"a":"' + b"\\" * 199_999,
    "no text": b'{"a":"\xff\xfe"}',
    "not a number": b'{"a":NaN}',
    "two documents": b"{}{}",
    "spaces": b" " * 200_000 + b"{}" + b" " * 200_000,
}
ROUTES = (
    ("PUT", "{room}/send/m.room.message/t"),
    ("PUT", "{room}/state/x/"),
    ("PUT", "/user/{user}/account_data/x"),
    ("POST", "/user/{user}/filter"),
    ("POST", "/keys/query"),
    ("POST", "/keys/upload"),
    ("PUT", "/sendToDevice/x/t"),
    ("POST", "/login"),
    ("POST", "/createRoom"),
    ("POST", "/search"),
)


@pytest.mark.parametrize("name", list(BODIES))
async def test_no_body_hurts(tmp_path: Path, name: str) -> None:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    async with running(database) as homeserver:
        alice = await homeserver.register("alice")
        client = Client(homeserver.unchecked, token=alice.token)
        room_id = await alice.create_room()
        for method, path in ROUTES:
            filled = path.replace("{room}", in_room(room_id)).replace("{user}", alice.user_id)
            answer = await client.request(method, f"/_matrix/client/v3{filled}", raw=BODIES[name])
            assert answer.status < 500, (path, answer.body[:200])
            if answer.status >= 400:
                assert answer.json["errcode"].startswith("M_") or "flows" in answer.json
        # The server, and what it has kept of that, can be used.
        await alice.say(room_id, "still here")
        (await alice.get("/sync")).ok()
