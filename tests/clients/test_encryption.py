"""Unmodified clients encrypt, verify each other, and restore from the backup."""

import asyncio
import secrets
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.services.homeserver import HomeserverProcess

_SCRIPT = Path(__file__).parent / "js" / "encryption.mjs"
_WAIT_S = 150


async def test_js_sdk_with_rust_crypto(homeserver_process: HomeserverProcess, node: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        node, _SCRIPT, homeserver_process.url, secrets.token_hex(4), stdout=PIPE, stderr=STDOUT, cwd=_SCRIPT.parent
    )
    try:
        async with asyncio.timeout(_WAIT_S):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        said, _ = await process.communicate()
    lines = said.decode(errors="replace").splitlines()
    acts = [line for line in lines if line.startswith("--- ")]
    assert process.returncode == 0, "\n".join([*acts, *lines[-60:]])
