"""The story that every pair of clients lives through: two people meet in a room, talk, and part."""

import asyncio
import secrets

from tests.clients.client import Client

_PASSWORD = "correct horse battery staple"
_OPENING = ["Hello Bob", "Hi Alice", "Grüße aus Köln: 日本語 🦊", "and back ↩"]
_FLOOD = 25


async def converse(alice: Client, bob: Client) -> None:
    """Everything from registering to logging out. Raises if anything is not as the specification says."""
    names = [f"{name}-{secrets.token_hex(4)}" for name in ("alice", "bob")]
    for client, name in zip((alice, bob), names, strict=True):
        await client.register(name, _PASSWORD)
        registered_as = client.user_id
        await client.log_in(name, _PASSWORD)
        assert client.user_id == registered_as
        await client.start()
    room_id = await _meet(alice, bob)
    said = await _talk(alice, bob, room_id)
    assert await alice.bodies(room_id) == said
    assert await bob.bodies(room_id) == said
    await _take_back(alice, bob, room_id, said)
    await _return_on_a_new_device(alice, room_id, names[0], said)
    await bob.leave(room_id)
    await alice.wait_for_membership(room_id, bob.user_id, "leave")
    for client in (alice, bob):
        await client.log_out()
        assert await client.error_after_logout() == "M_UNKNOWN_TOKEN"


async def _meet(alice: Client, bob: Client) -> str:
    room_id = await alice.create_room("The node between")
    # Bob waits before there is anything to see: the invitation has to wake his sync.
    async with asyncio.TaskGroup() as tasks:
        invited = tasks.create_task(bob.wait_for_invite(room_id))
        tasks.create_task(alice.invite(room_id, bob.user_id))
    assert invited.result() == alice.user_id
    await bob.join(room_id)
    await alice.wait_for_membership(room_id, bob.user_id, "join")
    assert await bob.room_name(room_id) == "The node between"
    return room_id


async def _talk(alice: Client, bob: Client, room_id: str) -> list[str]:
    """Speak in turns, then all at once; what was said, in order."""
    for number, body in enumerate(_OPENING):
        speaker, listener = (alice, bob) if number % 2 == 0 else (bob, alice)
        async with asyncio.TaskGroup() as tasks:
            heard = tasks.create_task(listener.wait_for_message(room_id, body))
            sent = tasks.create_task(speaker.send(room_id, body))
        assert heard.result() == (speaker.user_id, sent.result())
        # The speaker's own sync brings it too, under the same ID.
        assert await speaker.wait_for_message(room_id, body) == (speaker.user_id, sent.result())
    flood = [f"line {number}" for number in range(_FLOOD)]
    for body in flood:
        await bob.send(room_id, body)
    await alice.wait_for_message(room_id, flood[-1])
    await bob.wait_for_message(room_id, flood[-1])
    return _OPENING + flood


async def _take_back(alice: Client, bob: Client, room_id: str, said: list[str]) -> None:
    event_id = await alice.send(room_id, "this was a mistake")
    await bob.wait_for_message(room_id, "this was a mistake")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bob.wait_for_redaction(room_id, event_id))
        tasks.create_task(alice.redact(room_id, event_id, "a mistake"))
    await alice.wait_for_redaction(room_id, event_id)
    assert await bob.bodies(room_id) == said


async def _return_on_a_new_device(alice: Client, room_id: str, name: str, said: list[str]) -> None:
    """With an empty memory, the first sync and the pages before it give all of the history."""
    await alice.log_out()
    await alice.log_in(name, _PASSWORD)
    await alice.start()
    assert await alice.room_name(room_id) == "The node between"
    assert await alice.bodies(room_id) == said
