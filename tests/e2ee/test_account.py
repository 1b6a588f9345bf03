"""What becomes of keys when an account is deactivated."""

from tests.e2ee.person import Person
from tests.e2ee.test_cross_signing import Identity
from tests.e2ee.test_key_backup import create


async def test_a_deactivated_account_has_no_keys(alice: Person, bob: Person) -> None:
    await alice.room(bob)
    await alice.publish()
    await Identity(alice).publish()
    await create(alice)
    await bob.sync()
    (await alice.confirmed("/account/deactivate", {})).ok()
    found = await bob.keys_of(alice.user_id)
    assert found["device_keys"] == {alice.user_id: {}}
    assert found["master_keys"] == found["self_signing_keys"] == {}
    assert (await bob.device_lists())[1] == [alice.user_id]
