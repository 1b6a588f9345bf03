"""Rubbish leaves nothing behind: whoever sends it again and again does not fill the server's memory.

Objects are counted, not bytes: their number does not depend on the machine. Requests that do something are left out.
"""

import gc
import random
from pathlib import Path
from typing import Any, Final

import orjson

from ranvier.http.route import Route
from tests.api.asgi import Client
from tests.api.homeserver import running

TEXTS: Final = ("", "x", "a/b", "\u20ac" * 300, "!x:y", "@nobody:nowhere.test", "$e", "-1", "%00", "{}", "..")
ROUNDS: Final = 4
LEFT: Final = 0.05
"""Objects that a request may leave on average: things like a month's first entry somewhere."""


def _path(route: Route, chance: random.Random) -> str:
    pieces = []
    for piece in route.path.split("/"):
        text = chance.choice(TEXTS[1:]) if piece.startswith("{") else piece
        pieces.append("".join(c if c.isascii() and (c.isalnum() or c in "-._~") else _percent(c) for c in text))
    query = f"?{chance.choice(('limit', 'from', 'since', 'filter'))}={chance.choice(('x', '-1', '%7B%7D'))}"
    return "/".join(pieces) + (query if chance.random() < 0.5 else "")


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _body(chance: random.Random) -> bytes:
    value: Any = chance.choice([None, 7, 1.5, True, "x", [], {}, {"a": {"b": [1] * 50}}, [[[[]]]], {"user_id": 3}])
    for _ in range(chance.randrange(3)):
        value = {chance.choice(("messages", "content", "one_time_keys", "membership", "events", "type")): value}
    encoded = orjson.dumps(value)
    return encoded[: chance.randrange(len(encoded) + 1)] if chance.random() < 0.2 else encoded


async def _send_all(client: Client, requests: list[tuple[str, str, bytes]]) -> list[int]:
    return [(await client.request(method, path, raw=body)).status for method, path, body in requests]


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())


async def test_rubbish_leaves_nothing_behind(tmp_path: Path) -> None:
    chance = random.Random(1)
    async with running({"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}) as homeserver:
        client = await homeserver.register("alice")
        routes = [route for route in homeserver.server.routes if "/client/" in route.path and not route.stream]
        rubbish = [
            (route.method, _path(route, chance), _body(chance))
            for route in routes
            if not route.path.endswith(("/logout", "/logout/all"))
            for _ in range(2)
        ]
        statuses = await _send_all(client, rubbish)
        assert 500 not in statuses
        refused = [request for request, status in zip(rubbish, statuses, strict=True) if status >= 400]
        assert len(refused) > len(rubbish) / 2
        await _send_all(client, refused)
        before = _objects()
        for _ in range(ROUNDS):
            await _send_all(client, refused)
        assert _objects() - before <= LEFT * ROUNDS * len(refused)
