"""What encryption may cost the database."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec import Raw

from ranvier.store.one_time_keys import insert, lengthen
from tests.api.homeserver import Homeserver
from tests.budget.test_statements import Spent, spending
from tests.e2ee.person import Person, log_in, register


@pytest.fixture
async def alice_device(homeserver: Homeserver) -> Person:
    return await register(homeserver, "alicia")


@pytest.fixture
async def bob_devices(homeserver: Homeserver) -> Sequence[Person]:
    """A user with a hundred devices, made by hand."""
    bob = await register(homeserver, "robert")
    async with homeserver.db.write() as tx:
        await tx.many(
            "INSERT INTO devices (user_id, device_id) VALUES ($1, $2)", [(bob.user_id, f"D{n}") for n in range(99)]
        )
        for number in range(99):
            device = (bob.user_id, f"D{number}")
            await lengthen(tx, *device, "signed_curve25519", 20)
            keys = {f"k{number}": Raw(b'{"key":"x"}') for number in range(20)}
            await insert(tx, device, "signed_curve25519", keys, first_no=1, ts=0)
    return [bob, *(Person(bob.client, f"D{n}") for n in range(99))]


async def test_a_query_of_two_hundred_users(homeserver: Homeserver, alice_device: Person) -> None:
    users = [f"@user{n}:ranvier.test" for n in range(200)]
    async with homeserver.db.write() as tx:
        for table, column in (("devices", "display_name"), ("device_keys", "keys")):
            value: object = "Phone" if column == "display_name" else b'{"keys":{}}'
            await tx.many(
                f"INSERT INTO {table} (user_id, device_id, {column}) VALUES ($1, $2, $3)",
                [(user_id, "PHONE", value) for user_id in users],
            )
    async with spending(homeserver.db) as cold:
        found = await alice_device.keys_of(*users)
    assert len(found["device_keys"]) == 200
    assert all(devices.keys() == {"PHONE"} for devices in found["device_keys"].values())
    assert (cold.statements, cold.write_transactions) == (4, 0)
    async with spending(homeserver.db) as warm:
        assert await alice_device.keys_of(*users) == found
    assert warm == Spent()


async def test_one_changed_user_is_read_again_alone(homeserver: Homeserver, alice_device: Person) -> None:
    other = await register(homeserver, "other")
    await alice_device.publish()
    await alice_device.keys_of(alice_device.user_id, other.user_id)
    await other.publish()
    async with spending(homeserver.db) as spent:
        await alice_device.keys_of(alice_device.user_id)
    assert spent == Spent()


async def test_a_claim_of_a_hundred_devices(
    homeserver: Homeserver, alice_device: Person, bob_devices: Sequence[Person]
) -> None:
    async with spending(homeserver.db) as spent:
        found = await alice_device.claim(*bob_devices[1:])
    assert len(found[bob_devices[0].user_id]) == 99
    assert (spent.statements, spent.write_transactions) == (2, 1)


async def test_claims_at_once_share_transactions(
    homeserver: Homeserver, alice_device: Person, bob_devices: Sequence[Person]
) -> None:
    async with spending(homeserver.db) as spent:
        await asyncio.gather(*(alice_device.claim(*bob_devices[1:]) for _ in range(10)))
    assert spent.write_transactions <= 2


async def test_a_message_to_a_hundred_devices(
    homeserver: Homeserver, alice_device: Person, bob_devices: Sequence[Person]
) -> None:
    async with spending(homeserver.db) as spent:
        (await alice_device.send({bob_devices[0].user_id: {"*": {"n": 1}}}, txn_id="1")).ok()
    assert (spent.statements, spent.write_transactions) == (3, 1)
    each = {bob_devices[0].user_id: {device.device_id: {"n": 2} for device in bob_devices}}
    async with spending(homeserver.db) as spent:
        (await alice_device.send(each, txn_id="2")).ok()
    assert (spent.statements, spent.write_transactions) == (2, 1)
    assert await homeserver.db.value("SELECT COUNT(*) FROM to_device_journal") == 2
    async with spending(homeserver.db) as spent:
        await homeserver.server.e2ee.inboxes.flush()
    assert (spent.statements, spent.write_transactions) == (3, 1)
    found = await homeserver.db.one("SELECT COUNT(*), SUM(number) FROM to_device_messages")
    assert tuple(found or ()) == (100, 200)


async def test_an_upload(homeserver: Homeserver, alice_device: Person) -> None:
    keys = alice_device.one_time_keys(*(f"k{n}" for n in range(50)))
    async with spending(homeserver.db) as spent:
        (await alice_device.upload(device_keys=alice_device.device_keys, one_time_keys=keys)).ok()
    assert (spent.statements, spent.write_transactions) == (6, 1)


async def test_more_one_time_keys(homeserver: Homeserver, alice_device: Person) -> None:
    """The device is known: nothing is read."""
    (await alice_device.upload(one_time_keys=alice_device.one_time_keys("first"))).ok()
    keys = alice_device.one_time_keys(*(f"k{n}" for n in range(50)))
    async with spending(homeserver.db) as spent:
        (await alice_device.upload(one_time_keys=keys)).ok()
    assert (spent.statements, spent.write_transactions) == (2, 1)


async def test_uploads_at_once_share_transactions(homeserver: Homeserver, bob_devices: Sequence[Person]) -> None:
    async with spending(homeserver.db) as spent:
        await asyncio.gather(*(device.upload(one_time_keys=device.one_time_keys("more")) for device in bob_devices))
    if homeserver.db.dialect == "sqlite":
        assert spent.write_transactions <= 4


async def test_a_sync_with_nothing_new(homeserver: Homeserver, alice_device: Person) -> None:
    """Whatever others do: keys of strangers, messages to others."""
    other = await register(homeserver, "other")
    await alice_device.room()
    await alice_device.publish()
    await alice_device.sync()
    await alice_device.settle()
    second = await log_in(homeserver, other)
    await second.publish()
    (await other.send({other.user_id: {"*": {}}}, txn_id="1")).ok()
    async with spending(homeserver.db) as spent:
        told = await alice_device.sync()
    assert "to_device" not in told
    assert told["device_lists"] == {"changed": [], "left": []}
    assert spent == Spent()


async def test_a_sync_with_one_message(homeserver: Homeserver, alice_device: Person) -> None:
    await alice_device.sync()
    await alice_device.settle()
    (await alice_device.send({alice_device.user_id: {"*": {"n": 1}}}, txn_id="1")).ok()
    async with spending(homeserver.db) as spent:
        assert await alice_device.inbox() == [{"n": 1}]
    assert spent == Spent()
    async with spending(homeserver.db) as spent:
        assert await alice_device.inbox() == []
    assert spent == Spent()


async def test_a_sync_that_tells_of_new_keys(homeserver: Homeserver, alice_device: Person) -> None:
    other = await register(homeserver, "other")
    await alice_device.room(other)
    await alice_device.sync()
    await alice_device.settle()
    await other.publish()
    async with spending(homeserver.db) as spent:
        assert await alice_device.device_lists() == ([other.user_id], [])
    assert spent == Spent()
