"""What two people with matrix-js-sdk and a third one with matrix-nio live through, on one server or on two."""

import asyncio
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.clients.encrypting_nio import EncryptingNio

_SCRIPT = Path(__file__).parent / "js" / "encryption.mjs"
_WAIT_S = 200


async def tell_story(node: Path, carol: EncryptingNio, *, alice_id: str, bob_id: str, urls: tuple[str, str]) -> None:
    """All of it. `urls` are those of the servers of Alice and of Bob, who have no accounts yet; Carol has hers."""
    known = (carol.user_id, carol.device_id, carol.client.olm.account.identity_keys["ed25519"])
    suffix = alice_id.removeprefix("@alice-").partition(":")[0]
    async with _others(node, ",".join(urls), suffix, *known):
        await _play_carol(carol, alice_id, bob_id)


async def _play_carol(carol: EncryptingNio, alice_id: str, bob_id: str) -> None:
    """Carol's part in the story that the script tells."""
    room_id = await carol.wait_for_invitation()
    await carol.client.join(room_id)
    for person in (alice_id, bob_id):
        for number in range(3):
            await carol.wait_for(f"{person} says {number}")
    await carol.say(room_id, "carol says hello")
    for body in ("to three", "from the third"):
        await carol.wait_for(body)
    # The third device is new to her as well; only those whom she has verified get what she says otherwise.
    for user_id in (alice_id, bob_id):
        for device_id in carol.active_devices_of(user_id):
            carol.client.verify_device(carol.device_of(user_id, device_id))
    await carol.say(room_id, "carol to three", to_unverified=False)
    for body in ("without the third", "after the rotation"):
        await carol.wait_for(body)
    assert len(carol.active_devices_of(alice_id)) == 1
    assert not carol.unreadable
    await carol.client.room_leave(room_id)
    await carol.client.logout()


@asynccontextmanager
async def _others(node: Path, *arguments: str) -> AsyncIterator[None]:
    """The script, beside the block; both must come to their end. What went wrong there is said if anything does."""
    process = await asyncio.create_subprocess_exec(
        node, _SCRIPT, *arguments, stdout=PIPE, stderr=STDOUT, cwd=_SCRIPT.parent
    )
    saying = asyncio.create_task(_said(process))
    try:
        async with asyncio.timeout(_WAIT_S):
            yield
            await process.wait()
    except BaseException as error:
        if process.returncode is None:
            process.kill()
        error.add_note(await saying)
        raise
    assert process.returncode == 0, await saying


async def _said(process: Process) -> str:
    """Its acts and its last words, when it has ended."""
    said, _ = await process.communicate()
    lines = said.decode(errors="replace").splitlines()
    return "\n".join([*(line for line in lines if line.startswith("--- ")), *lines[-60:]])
