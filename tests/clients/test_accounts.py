"""The life of accounts with unmodified clients, against a server in a process of its own."""

import asyncio
import secrets
import sqlite3
from asyncio.subprocess import PIPE, STDOUT
from contextlib import closing
from pathlib import Path

from nio import (
    AsyncClient,
    AsyncClientConfig,
    DeleteDevicesAuthResponse,
    DeleteDevicesResponse,
    DevicesResponse,
    GetOpenIDTokenResponse,
    LoginInfoResponse,
    LoginResponse,
    LogoutResponse,
    RegisterResponse,
    UpdateDeviceResponse,
    WhoamiError,
    WhoamiResponse,
)

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


async def test_nio(tmp_path: Path) -> None:
    path = tmp_path / "homeserver.db"
    database: dict[str, object] = {"name": "sqlite3", "args": {"database": str(path)}}
    server = HomeserverProcess(tmp_path / "server", database, {"registration_requires_token": True})
    server.start()
    first, second = [_nio(server.url, "alice") for _ in range(2)]
    try:
        with closing(sqlite3.connect(path)) as opened, opened:
            opened.execute("INSERT INTO registration_tokens (token, uses_allowed) VALUES ('sesame', 1)")
        made = await first.register_with_token("alice", _PASSWORD, "sesame", device_name="first")
        assert isinstance(made, RegisterResponse), made
        await _devices(first, second)
    finally:
        await first.close()
        await second.close()
        server.close()


_PASSWORD = "correct horse"


def _nio(url: str, user: str) -> AsyncClient:
    return AsyncClient(url, user, config=AsyncClientConfig(max_limit_exceeded=0, max_timeouts=0))


async def _devices(first: AsyncClient, second: AsyncClient) -> None:
    """What a user does with their devices and logins."""
    info = await second.login_info()
    assert isinstance(info, LoginInfoResponse)
    assert info.flows == ["m.login.password"]
    login = await second.login(_PASSWORD, device_name="second")
    assert isinstance(login, LoginResponse), login
    who = await second.whoami()
    assert isinstance(who, WhoamiResponse)
    assert (who.user_id, who.device_id, who.is_guest) == (first.user_id, login.device_id, False)
    assert isinstance(await first.update_device(login.device_id, {"display_name": "Tablet"}), UpdateDeviceResponse)
    found = await first.devices()
    assert isinstance(found, DevicesResponse)
    assert {device.id: device.display_name for device in found.devices}[login.device_id] == "Tablet"
    assert isinstance(await first.get_openid_token(first.user_id), GetOpenIDTokenResponse)
    asked = await first.delete_devices([login.device_id])
    assert isinstance(asked, DeleteDevicesAuthResponse), asked
    auth = {"type": "m.login.password", "session": asked.session, "user": first.user_id, "password": _PASSWORD}
    assert isinstance(await first.delete_devices([login.device_id], auth), DeleteDevicesResponse)
    assert isinstance(await second.whoami(), WhoamiError)
    assert isinstance(await first.logout(all_devices=True), LogoutResponse)
