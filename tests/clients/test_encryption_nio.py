"""matrix-nio with its encryption: two people verify and understand each other, and so does a device that comes later."""

import secrets

from tests.clients.conftest import OpenEncryptingNio
from tests.clients.encrypting_nio import EncryptingNio
from tests.services.homeserver import HomeserverProcess

_ENCRYPTED = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


async def _verify(asking: EncryptingNio, asked: EncryptingNio) -> None:
    """Compare emoji, by both clients' own verification."""
    await asking.client.start_key_verification(asking.device_of(asked.user_id, asked.device_id))
    for person in (asked, asking, asked, asking):
        await person.step()
    first, second = asking.sas_with(asked), asked.sas_with(asking)
    assert first.get_emoji() == second.get_emoji()
    for person in (asking, asked):
        await person.client.confirm_short_auth_string(first.transaction_id)
    for person in (asking, asked):
        await person.step()
    assert first.verified
    assert second.verified
    assert asking.device_of(asked.user_id, asked.device_id).verified
    assert asked.device_of(asking.user_id, asking.device_id).verified


async def test_two_people(homeserver_process: HomeserverProcess, open_encrypting_nio: OpenEncryptingNio) -> None:
    suffix = secrets.token_hex(4)
    alice, bob = [open_encrypting_nio(homeserver_process.url, f"{name}-{suffix}") for name in ("alice", "bob")]
    for person in (alice, bob):
        await person.register()
    room_id = (await alice.client.room_create(invite=[bob.user_id], initial_state=[_ENCRYPTED])).room_id
    await bob.client.join(room_id)
    for person in (alice, bob, alice, bob):
        await person.step()
    await _verify(alice, bob)
    for number in range(3):
        for sender, reader in ((alice, bob), (bob, alice)):
            body = f"{sender.user_id} says {number}"
            await sender.say(room_id, body, to_unverified=False)
            await reader.wait_for(body)
    second = open_encrypting_nio(homeserver_process.url, bob.client.user)
    await second.log_in()
    for person in (alice, bob, alice):
        await person.step()
    # What was said before it came is not for it; what is said now is.
    assert second.unreadable
    second.unreadable.clear()
    await alice.say(room_id, "to both")
    for reader in (bob, second):
        await reader.wait_for("to both")
    await second.client.logout()
    await alice.step()
    assert alice.active_devices_of(bob.user_id) == {bob.device_id}
    await alice.say(room_id, "to one", to_unverified=False)
    await bob.wait_for("to one")
    assert not any(person.unreadable for person in (alice, bob, second))
