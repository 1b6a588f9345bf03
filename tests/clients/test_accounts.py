"""The life of accounts with an unmodified matrix-js-sdk, against a server in a process of its own."""

import asyncio
import secrets
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.services.homeserver import HomeserverProcess

_SCRIPT = Path(__file__).parent / "js" / "accounts.mjs"
_WAIT_S = 120


async def test_js_sdk(tmp_path: Path, node: Path) -> None:
    pages = tmp_path / "policies" / "en"
    pages.mkdir(parents=True)
    (pages / "1.0.html").write_text("<h1>House rules</h1>")
    options: dict[str, object] = {
        "allow_guest_access": True,
        "refreshable_access_token_lifetime": "1s",
        "login_via_existing_session": {"enabled": True},
        "user_consent": {
            "template_dir": str(pages.parent),
            "version": "1.0",
            "require_at_registration": True,
            "policy_name": "House rules",
        },
    }
    database: dict[str, object] = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    server = HomeserverProcess(tmp_path / "server", database, options)
    server.start()
    try:
        process = await asyncio.create_subprocess_exec(
            node, _SCRIPT, server.url, secrets.token_hex(4), stdout=PIPE, stderr=STDOUT, cwd=_SCRIPT.parent
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), _WAIT_S)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, said.decode(errors="replace")[-6000:] + server.last_words()
    finally:
        server.close()
