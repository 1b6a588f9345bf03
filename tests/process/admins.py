"""An administrator of a homeserver process, and the tool `synadm` in their hands."""

import asyncio
import hashlib
import hmac
import json
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from tests.process.person import Person
from tests.services.homeserver import SERVER_NAME, HomeserverProcess

_TOOL_S = 60


async def make_admin(session: aiohttp.ClientSession, server: HomeserverProcess, name: str = "root") -> Person:
    """A new administrator, made with the shared secret."""
    secret = str(server.options["registration_shared_secret"])
    url = f"{server.url}/_synapse/admin/v1/register"
    async with session.get(url) as answer:
        nonce = (await answer.json())["nonce"]
    said = f"{nonce}\0{name}\0secret\0admin"
    mac = hmac.new(secret.encode(), said.encode(), hashlib.sha1).hexdigest()
    body = {"nonce": nonce, "username": name, "password": "secret", "admin": True, "mac": mac}
    async with session.post(url, json=body) as answer:
        assert answer.status == HTTPStatus.OK, await answer.text()
        token = (await answer.json())["access_token"]
    person = Person(session, server.url)
    person.token = token
    return person


async def ask_admin_api(
    session: aiohttp.ClientSession,
    server: HomeserverProcess,
    admin: Person,
    method: str,
    path: str,
    body: object = None,
) -> Any:
    """The answer to one request below `/_synapse/admin`, which must be 200."""
    async with session.request(
        method,
        f"{server.url}/_synapse/admin{path}",
        json=body,
        headers={"Authorization": f"Bearer {admin.token}"},
    ) as answer:
        assert answer.status == HTTPStatus.OK, await answer.text()
        return await answer.json()


class Synadm:
    """The tool, as a process, asking one server."""

    def __init__(self, server: HomeserverProcess, admin: Person, folder: Path) -> None:
        self._config = folder / "synadm.yaml"
        options = {
            "user": "root",
            "token": admin.token,
            "base_url": server.url,
            "admin_path": "/_synapse/admin",
            "matrix_path": "/_matrix",
            "timeout": 30,
            "server_discovery": "well-known",
            "homeserver": SERVER_NAME,
            "ssl_verify": True,
            "format": "json",
        }
        self._config.write_text(json.dumps(options))

    async def __call__(self, *command: str) -> Any:
        """What the server answered to a command, `None` if it says nothing of that; it must end well."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("synadm")),
            *("--batch", "-o", "json", "-c", str(self._config), *command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(_TOOL_S):
            said, complaints = await process.communicate()
        assert process.returncode == 0, complaints.decode()
        return _last_object(said.decode())


def _last_object(said: str) -> Any:
    """The last JSON object in what the tool says, which is partly for people."""
    found, at = None, 0
    while (at := said.find("{", at)) >= 0:
        try:
            found, at = json.JSONDecoder().raw_decode(said, at)
        except json.JSONDecodeError:
            at += 1
    return found
