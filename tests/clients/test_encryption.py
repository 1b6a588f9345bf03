"""Unmodified clients, two with matrix-js-sdk and one with matrix-nio: they encrypt, verify each other, restore, rotate."""

import secrets
from pathlib import Path

from tests.clients.conftest import OpenEncryptingNio
from tests.clients.encryption_story import tell_story
from tests.services.homeserver import HomeserverProcess


async def test_two_js_sdks_and_a_nio(
    homeserver_process: HomeserverProcess, node: Path, open_encrypting_nio: OpenEncryptingNio
) -> None:
    url = homeserver_process.url
    carol = open_encrypting_nio(url, f"carol-{secrets.token_hex(4)}")
    await carol.register()
    alice_id, bob_id = (carol.user_id.replace("carol", name) for name in ("alice", "bob"))
    await tell_story(node, carol, alice_id=alice_id, bob_id=bob_id, urls=(url, url))
