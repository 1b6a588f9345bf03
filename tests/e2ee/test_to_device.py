"""`PUT /sendToDevice` and what `/sync` tells of it. Spec: client-server API, "Send-to-Device messaging"."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.homeserver import Homeserver, running
from tests.e2ee.person import Person, log_in, register


async def left(homeserver: Homeserver) -> int:
    """How many messages the database keeps, when everything has been put in order."""
    await homeserver.server.e2ee.inboxes.flush()
    assert await homeserver.db.value("SELECT COUNT(*) FROM to_device_journal") == 0
    number: int = await homeserver.db.value("SELECT COALESCE(SUM(number), 0) FROM to_device_messages")
    return number


async def test_a_message_arrives(alice: Person, bob: Person) -> None:
    await bob.sync()
    (await alice.send({bob.user_id: {bob.device_id: {"n": 1}}}, txn_id="1", type="m.some.type")).ok()
    told = await bob.sync()
    expected = {"content": {"n": 1}, "sender": alice.user_id, "type": "m.some.type"}
    assert told["to_device"]["events"] == [expected]
    assert "to_device" not in await bob.sync()


async def test_it_is_told_until_it_is_acknowledged(alice: Person, bob: Person) -> None:
    (await alice.send({bob.user_id: {bob.device_id: {"n": 1}}}, txn_id="1")).ok()
    assert await bob.inbox() == [{"n": 1}]
    acknowledged = bob.since
    bob.since = None
    assert await bob.inbox() == [{"n": 1}]
    assert await bob.inbox() == []
    bob.since = None
    assert await bob.inbox() == []
    bob.since = acknowledged
    assert await bob.inbox() == []


async def test_an_old_token_gets_what_it_has_not_acknowledged(alice: Person, bob: Person) -> None:
    await bob.sync()
    before = bob.since
    for number in range(3):
        (await alice.send({bob.user_id: {bob.device_id: {"n": number}}}, txn_id=str(number))).ok()
    for _ in range(2):
        bob.since = before
        assert await bob.inbox() == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_order_and_limit(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    await bob.sync()
    for number in range(205):
        (await alice.send({bob.user_id: {bob.device_id: {"n": number}}}, txn_id=str(number))).ok()
    batches = [await bob.inbox() for _ in range(4)]
    assert [len(batch) for batch in batches] == [100, 100, 5, 0]
    assert [content["n"] for batch in batches for content in batch] == list(range(205))
    assert await left(homeserver) == 0


async def test_what_is_acknowledged_is_deleted_and_nothing_else(
    homeserver: Homeserver, alice: Person, bob: Person
) -> None:
    (await alice.send({bob.user_id: {bob.device_id: {"n": 1}}}, txn_id="1")).ok()
    await bob.sync()
    (await alice.send({bob.user_id: {bob.device_id: {"n": 2}}}, txn_id="2")).ok()
    assert await left(homeserver) == 2
    (await alice.send({bob.user_id: {bob.device_id: {"n": 3}}}, txn_id="3")).ok()
    assert await left(homeserver) == 3
    assert await bob.inbox() == [{"n": 2}, {"n": 3}]
    # The first two were put aside together, and one of them may still be asked for.
    assert await left(homeserver) == 3
    assert await bob.inbox() == []
    assert await left(homeserver) == 0


async def test_every_device_and_one_for_itself(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    second = await log_in(homeserver, bob)
    await bob.sync()
    (await alice.send({bob.user_id: {"*": {"to": "all"}, second.device_id: {"to": "second"}}}, txn_id="1")).ok()
    assert await bob.inbox() == [{"to": "all"}]
    assert await second.inbox() == [{"to": "second"}]


async def test_to_oneself(homeserver: Homeserver, alice: Person) -> None:
    second = await log_in(homeserver, alice)
    (await alice.send({alice.user_id: {"*": {"n": 1}}}, txn_id="1")).ok()
    assert await alice.inbox() == [{"n": 1}]
    assert await second.inbox() == [{"n": 1}]


async def test_who_does_not_exist_is_left_out(alice: Person, bob: Person) -> None:
    messages: dict[str, dict[str, Any]] = {
        bob.user_id: {"NONE": {}, bob.device_id: {"n": 1}},
        "@nobody:ranvier.test": {"*": {}},
        "@far:elsewhere.test": {"*": {}},
        "@a\0:ranvier.test": {"\0": {}},
        "": {"*": {}},
    }
    (await alice.send(messages, txn_id="1")).ok()
    assert await bob.inbox() == [{"n": 1}]


async def test_a_repeated_request_sends_nothing(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    message = {bob.user_id: {bob.device_id: {"n": 1}}}
    await asyncio.gather(*(alice.send(message, txn_id="same") for _ in range(5)))
    (await alice.send(message, txn_id="same")).ok()
    assert await bob.inbox() == [{"n": 1}]
    (await alice.send(message, txn_id="same")).ok()
    assert await bob.inbox() == []
    second = await log_in(homeserver, alice)
    (await second.send(message, txn_id="same")).ok()
    assert await bob.inbox() == [{"n": 1}]
    (await alice.send(message, txn_id="same", type="m.other")).ok()
    assert await bob.inbox() == [{"n": 1}]


@pytest.mark.parametrize(
    "messages",
    [None, [], {"@bob:ranvier.test": []}, {"@bob:ranvier.test": {"*": "text"}}, {"@bob:ranvier.test": {"*": None}}],
)
async def test_bad_messages(alice: Person, bob: Person, messages: Any) -> None:
    (await alice.send(messages, txn_id="1")).refused(400, "M_BAD_JSON")
    (await alice.client.put("/sendToDevice/m.test/2", {})).refused(400, "M_BAD_JSON")
    (await alice.send({}, txn_id="1", type="x" * 256)).refused(400, "M_INVALID_PARAM")
    assert await bob.inbox() == []


@pytest.mark.parametrize(
    "messages",
    [
        b'{"@far:elsewhere.test":{"*":{"n":%d}}}' % 2**70,
        b'{"@bob:ranvier.test":{"*":{"n":%d,"a":"\\u0061"}}}' % 2**70,
    ],
)
async def test_numbers_that_nobody_can_hold(alice: Person, bob: Person, messages: bytes) -> None:
    raw = b'{"messages":%b}' % messages
    answer = await alice.client.request("PUT", "/_matrix/client/v3/sendToDevice/m.test/1", raw=raw)
    assert answer.status == 400
    assert await bob.inbox() == []


async def test_large_bodies(alice: Person, bob: Person) -> None:
    (await alice.send({bob.user_id: {"*": {"x": "x" * (2 << 20)}}}, txn_id="1")).refused(413, "M_TOO_LARGE")
    assert await bob.inbox() == []


async def test_a_waiting_sync_is_woken(alice: Person, bob: Person) -> None:
    await bob.settle()
    waiting = await bob.waiting()
    (await alice.send({bob.user_id: {bob.device_id: {"n": 1}}}, txn_id="1")).ok()
    told = await asyncio.wait_for(waiting, 2)
    assert told["to_device"]["events"][0]["content"] == {"n": 1}


async def test_a_removed_device_loses_its_messages(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    second = await log_in(homeserver, bob, "SECOND")
    (await alice.send({bob.user_id: {"SECOND": {"n": 1}}}, txn_id="1")).ok()
    (await second.client.post("/logout")).ok()
    second = await log_in(homeserver, bob, "SECOND")
    assert await second.inbox() == []


async def test_a_restart_loses_and_repeats_nothing(db_config: Mapping[str, Any]) -> None:
    async with running(db_config) as server:
        alice, bob = await register(server, "alice"), await register(server, "bob")
        await bob.sync()
        for number in range(3):
            (await alice.send({bob.user_id: {bob.device_id: {"n": number}}}, txn_id=str(number))).ok()
            if number == 1:
                await bob.sync()
    async with running(db_config) as server:
        alice, bob = alice.at(server), bob.at(server)
        (await alice.send({bob.user_id: {bob.device_id: {"n": 2}}}, txn_id="2")).ok()
        assert await bob.inbox() == [{"n": 2}]
        assert await bob.inbox() == []
    async with running(db_config) as server:
        alice, bob = alice.at(server), bob.at(server)
        (await alice.send({bob.user_id: {bob.device_id: {"n": 3}}}, txn_id="3")).ok()
        assert await bob.inbox() == [{"n": 3}]


async def test_what_waits_longer_is_told_in_order(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    """Some messages are put aside together, some one by one, some not at all."""
    await bob.sync()
    for number in range(250):
        (await alice.send({bob.user_id: {bob.device_id: {"n": number}}}, txn_id=str(number))).ok()
        if number in (150, 151, 152, 200):
            assert await left(homeserver) == number + 1
    batches = [await bob.inbox() for _ in range(4)]
    assert [len(batch) for batch in batches] == [100, 100, 50, 0]
    assert [content["n"] for batch in batches for content in batch] == list(range(250))
    assert await left(homeserver) == 0


async def test_what_two_put_aside_at_once(
    homeserver: Homeserver, alice: Person, bob: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that stops does so while it is doing it anyway."""
    for number in range(3):
        (await alice.send({bob.user_id: {bob.device_id: {"n": number}}}, txn_id=str(number))).ok()
    await asyncio.gather(*(homeserver.server.e2ee.inboxes.flush() for _ in range(3)))
    assert not caplog.records
    assert await left(homeserver) == 3
    assert await bob.inbox() == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_what_was_acknowledged_before_it_was_put_aside(
    homeserver: Homeserver, alice: Person, bob: Person
) -> None:
    second = await log_in(homeserver, bob)
    for number in range(3):
        (await alice.send({bob.user_id: {"*": {"n": number}}}, txn_id=str(number))).ok()
        assert await bob.inbox() == [{"n": number}]
    assert await left(homeserver) == 4
    assert await second.inbox() == [{"n": 0}, {"n": 1}, {"n": 2}]
    bob.since = None
    assert await bob.inbox() == [{"n": 2}]


async def test_a_removed_device_leaves_nothing(db_config: Mapping[str, Any]) -> None:
    """Not even when the server dies before it has put anything in order."""
    async with running(db_config) as server:
        alice, bob = await register(server, "alice"), await register(server, "bob")
        second = await log_in(server, bob, "SECOND")
        for number in range(2):
            (await alice.send({bob.user_id: {"*": {"n": number}}}, txn_id=str(number))).ok()
        (await second.client.post("/logout")).ok()
        (await alice.send({bob.user_id: {"SECOND": {"n": 2}}}, txn_id="2")).ok()
        second = await log_in(server, bob, "SECOND")
    async with running(db_config) as server:
        bob, second = bob.at(server), second.at(server)
        assert await second.inbox() == []
        assert await bob.inbox() == [{"n": 0}, {"n": 1}]


async def test_a_new_device_gets_what_is_for_every_one(homeserver: Homeserver, alice: Person, bob: Person) -> None:
    """Also when the others are known from before."""
    device = bob
    for number in range(2):
        for addressed in ("*", device.device_id):
            (await alice.send({bob.user_id: {addressed: {"n": number}}}, txn_id=f"{number}{addressed}")).ok()
        assert await device.inbox() == [{"n": number}] * 2
        device = await log_in(homeserver, bob)
