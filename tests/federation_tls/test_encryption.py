"""Unmodified clients on two servers: they encrypt, verify each other, learn of devices that come and go, and rotate keys."""

import secrets
from pathlib import Path

from tests.clients.conftest import OpenEncryptingNio
from tests.clients.encryption_story import tell_story
from tests.federation_tls.server import FederatingServer


async def test_js_sdks_on_two_servers(
    servers: tuple[FederatingServer, FederatingServer], node: Path, open_encrypting_nio: OpenEncryptingNio
) -> None:
    one, two = servers
    suffix = secrets.token_hex(4)
    carol = open_encrypting_nio(two.url, f"carol-{suffix}")
    await carol.register()
    alice_id, bob_id = f"@alice-{suffix}:{one.server_name}", f"@bob-{suffix}:{two.server_name}"
    await tell_story(node, carol, alice_id=alice_id, bob_id=bob_id, urls=(one.url, two.url))
    for server in servers:
        assert "Traceback" not in server.output(), server.last_words()
