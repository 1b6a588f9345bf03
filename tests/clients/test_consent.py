"""Server notices and a policy to agree to with an unmodified client, against a server in a process of its own."""

import asyncio
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.services.homeserver import HomeserverProcess

_SCRIPT = Path(__file__).parent / "js" / "consent.mjs"
_PAGES = Path(__file__).parents[2] / "contrib" / "consent"
_WAIT_S = 120


async def test_js_sdk(tmp_path: Path, node: Path) -> None:
    options: dict[str, object] = {
        "server_notices": {"system_mxid_localpart": "notices"},
        "user_consent": {
            "template_dir": str(_PAGES),
            "version": "1.0",
            "block_events_error": "Please agree first",
            "server_notice_content": {"msgtype": "m.text", "body": "Agree: %(consent_uri)s"},
        },
    }
    database: dict[str, object] = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    server = HomeserverProcess(tmp_path / "server", database, options)
    listener = {"port": server.port, "type": "http", "bind_addresses": ["127.0.0.1"]}
    server.write_options(
        public_baseurl=server.url, listeners=[{**listener, "resources": [{"names": ["client", "consent"]}]}]
    )
    server.start()
    try:
        process = await asyncio.create_subprocess_exec(
            node, _SCRIPT, server.url, stdout=PIPE, stderr=STDOUT, cwd=_SCRIPT.parent
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), _WAIT_S)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, said.decode(errors="replace")[-6000:] + server.last_words()
    finally:
        server.close()
