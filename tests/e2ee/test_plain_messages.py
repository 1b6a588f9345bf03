"""Requests that are kept as they came: their messages arrive as any others do."""

from typing import Any

import orjson
import pytest

from ranvier.e2ee.inboxes import Inboxes
from ranvier.e2ee.plain_messages import parse_plain
from ranvier.ports import SystemClock
from tests.api.homeserver import Homeserver
from tests.e2ee.person import Person, log_in

OLM: dict[str, Any] = {
    "algorithm": "m.olm.v1.curve25519-aes-sha2",
    "sender_key": "Szl29ksW/L8yZGWAX+8dY1XyFi+i5wm+DRhTGkbMiwU",
    "ciphertext": {"7qZcfnBmbEGzxxaWfBjElJuvn7BZx+lSz/SvFrDF/z8": {"type": 0, "body": "AwogGJJzMhf/S"}},
}


@pytest.mark.parametrize(
    "change",
    [{}, {"more": [1.5, None, True, {}]}, {"body": 'AwogGJJzMhf/S "ä\u2028\n\0'}, {"ciphertext": "☎"}],
)
async def test_messages_arrive(alice: Person, bob: Person, change: dict[str, Any]) -> None:
    content = {**OLM, **change}
    await bob.sync()
    sent = await alice.send({bob.user_id: {bob.device_id: content}}, txn_id="1", type="m.room.encrypted")
    sent.ok()
    event = {"content": content, "sender": alice.user_id, "type": "m.room.encrypted"}
    assert (await bob.sync())["to_device"]["events"] == [event]


async def test_they_are_there_after_a_crash(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    second, third = await log_in(homeserver, bob), await log_in(homeserver, bob)
    names = [bob.device_id, second.device_id, third.device_id]
    for txn_id in ("looks the devices up", "knows them"):
        (await alice.send({bob.user_id: {name: {"for": name} for name in names}}, txn_id=txn_id)).ok()
    (await alice.send({bob.user_id: {"*": {"for": "all"}}}, txn_id="3")).ok()
    told = {name: _expected(alice, name) for name in names}
    assert await _loaded(homeserver, bob.user_id, names) == told
    (await second.client.post("/logout")).ok()
    assert await _loaded(homeserver, bob.user_id, names) == {**told, second.device_id: []}


async def _loaded(homeserver: Homeserver, user_id: str, names: list[str]) -> dict[str, list[Any]]:
    """What a server reads that was not able to put things in order before it ended."""
    loaded = await Inboxes.load(homeserver.db, SystemClock())
    waiting = {name: await loaded.read(user_id, name, since=0, upto=2**62, limit=9) for name in names}
    return {name: [orjson.loads(one.message) for one in found] for name, found in waiting.items()}


def _expected(sender: Person, name: str) -> list[dict[str, Any]]:
    contents = [{"for": name}, {"for": name}, {"for": "all"}]
    return [{"content": content, "sender": sender.user_id, "type": "m.test"} for content in contents]


def test_what_is_plain() -> None:
    plain = parse_plain(orjson.dumps({"messages": {"@a:b": {"D": OLM, "*": {}}}}))
    assert plain is not None
    assert plain.contents == {("@a:b", "D"): orjson.dumps(OLM), ("@a:b", "*"): b"{}"}
    for body in (
        b'{"messages":{"@a:b":{"D":{"n":"\\u0061"}}}}',
        '{"messages":{"@a:b":{"D":{"n":"ä"}}}}'.encode(),
        b'{"messages":{"@a:b":{"D":{"n":"\xff"}}}}',
        b'{"messages":{"@a:b":{"D":[]}}}',
        b'{"messages":{"@a:b":{"D":{},"E":null}}}',
        b'{"messages":{"@a:b":{"D":{"n":01}}}}',
        b'{"messages":{"@a:b":{"D":{"n":NaN}}}}',
        b'{"messages":{"@a:b":{"D":{"n":"\x01"}}}}',
        b'{"messages":{"@a:b":{"D":{}}},"more":1}',
        b'{"messages":{"@a:b":{"D":{}}}}}',
        b'{"messages":{"@a:b":{"D":{"n":' + b"[" * 10_000 + b"]" * 10_000 + b"}}}}",
        b"{}",
        b"",
    ):
        assert parse_plain(body) is None, body[:60]
