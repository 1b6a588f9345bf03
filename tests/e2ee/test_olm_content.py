"""Messages encrypted with Olm are read by themselves: they arrive as any others do."""

from typing import Any

import orjson
import pytest

from ranvier.e2ee.olm_content import parse_olm
from tests.e2ee.person import Person

OLM: dict[str, Any] = {
    "algorithm": "m.olm.v1.curve25519-aes-sha2",
    "sender_key": "Szl29ksW/L8yZGWAX+8dY1XyFi+i5wm+DRhTGkbMiwU",
    "ciphertext": {"7qZcfnBmbEGzxxaWfBjElJuvn7BZx+lSz/SvFrDF/z8": {"type": 0, "body": 'AwogGJJzMhf/S "ä\u2028\n\0'}},
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"org.matrix.msgid": "1"},
        {"ciphertext": {}},
        {"ciphertext": {"a": {"type": 1, "body": "", "more": [1.5]}}},
        {"ciphertext": {"a": {"type": 2**40, "body": ""}}},
        {"ciphertext": "for one of group sessions"},
        {"more": None},
    ],
)
async def test_messages_arrive(alice: Person, bob: Person, change: dict[str, Any]) -> None:
    content = {**OLM, **change}
    await bob.sync()
    sent = await alice.send({bob.user_id: {bob.device_id: content}}, txn_id="1", type="m.room.encrypted")
    sent.ok()
    event = {"content": content, "sender": alice.user_id, "type": "m.room.encrypted"}
    assert (await bob.sync())["to_device"]["events"] == [event]


def test_most_messages_are_read_at_once() -> None:
    body = {"messages": {"@a:b": {"D": OLM, "*": {**OLM, "org.matrix.msgid": "1"}}}}
    assert parse_olm(orjson.dumps(body)) is not None
    for other in (
        {},
        {"messages": {"@a:b": {"D": {**OLM, "n": 1}}}},
        {"messages": {"@a:b": {"D": {**OLM, "ciphertext": {"a": {"type": 0.5, "body": ""}}}}}},
    ):
        assert parse_olm(orjson.dumps(other)) is None
    assert parse_olm(orjson.dumps(body).replace(b"Szl", b"\xff")) is None
