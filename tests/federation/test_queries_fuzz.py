"""Rubbish as questions: it is refused, and nothing breaks."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from ranvier.http.route import Route
from tests.api.asgi import Client, part
from tests.api.homeserver import Homeserver, running
from tests.federation.asked import REMOTE, Asked, message
from tests.federation.test_queries_api import LISTENERS, Peer
from tests.rooms.remote_room import RemoteRoom

TEXTS = [
    "",
    "0",
    "-1",
    "1e9",
    "true",
    "\0",
    "\x7f",
    "é",
    "𝔘",
    "$",
    "!",
    "@",
    "#",
    "a" * 300,
    "%",
    "%2F",
    "../..",
    "null",
    "[]",
]
NAMES = {
    "v", "limit", "event_id", "ts", "dir", "since", "room_alias", "user_id", "field", "suggested_only",
    "include_all_networks", "third_party_instance_id",
}  # fmt: skip
FIELDS = [
    "latest_events", "earliest_events", "limit", "min_depth", "device_keys", "one_time_keys", "filter", "since",
    "generic_search_term", "room_types", "include_all_networks", "third_party_instance_id",
]  # fmt: skip


class Rubbish:
    """Draws questions that may be nearly right."""

    def __init__(self, seed: int, known: list[str]) -> None:
        self.random = Random(seed)
        self.known = known

    def text(self) -> str:
        return self.random.choice(self.known if self.random.random() < 0.75 else TEXTS)

    def value(self, depth: int = 0) -> Any:
        leaves = [None, True, 0, -1, 2**70, 1.5, self.text(), self.text()]
        if depth < 3 and self.random.random() < 0.6:
            if self.random.random() < 0.4:
                return [self.value(depth + 1) for _ in range(self.random.randrange(3))]
            return {self.text(): self.value(depth + 1) for _ in range(self.random.randrange(3))}
        return self.random.choice(leaves)

    def path(self, route: Route) -> str:
        segments = route.path.removeprefix("/_matrix/federation/v1/").split("/")
        return "/".join(part(self.text() or "x") if segment.startswith("{") else segment for segment in segments)

    def query(self) -> dict[str, str | list[str]]:
        right = {"limit": "5", "ts": "1500", "dir": "f", "suggested_only": "true", "include_all_networks": "false"}
        return {
            name: right.get(name, "") if self.random.random() < 0.5 and name in right else self.text()
            for name in sorted(NAMES)
            if self.random.random() < 0.8
        }

    def body(self) -> Any:
        if self.random.random() < 0.1:
            return self.value()
        return {name: self.value() for name in FIELDS if self.random.random() < 0.7}


@pytest.mark.parametrize("seed", range(3))
async def test_rubbish(db_config: Mapping[str, Any], caplog: pytest.LogCaptureFixture, seed: int) -> None:
    async with running(db_config, listeners=LISTENERS, allow_public_rooms_over_federation=True) as server:
        await send_rubbish(server, seed)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def send_rubbish(homeserver: Homeserver, seed: int) -> None:
    asked = Asked(homeserver)
    alice: Client = await homeserver.register("alice")
    room = RemoteRoom()
    await room.let_in(homeserver, alice.user_id)
    says = room.tell("m.room.message", message("hello"))
    await asked.accept(room, says)
    known = [room.room_id, says.event_id, room.create.event_id, alice.user_id, room.creator, "f", "b", "5", "1500"]
    rubbish = Rubbish(seed, known)
    peer = Peer(asked, REMOTE)
    answered = 0
    for route in asked.routes():
        if not route.path.startswith("/_matrix/federation/v1/"):
            continue
        for _ in range(40):
            path = rubbish.path(route)
            if route.method == "GET":
                answer = await peer.get(path, **rubbish.query())
            else:
                answer = await peer.post(path, rubbish.body())
            assert answer.status in (200, 400, 403, 404), (route.path, path, answer)
            answered += answer.status == 200
    assert answered > 20
