"""SIGHUP to a real process: what changes, what waits for a restart, and that a mistake changes nothing."""

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.conftest import DatabaseDict, StartHomeserver
from tests.services.homeserver import HomeserverProcess
from tests.services.ports import free_port

_LOG = """\
version: 1
formatters: {{precise: {{format: '%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s'}}}}
handlers:
  console: {{class: logging.StreamHandler, formatter: precise}}
root: {{level: {level}, handlers: [console]}}
"""


def _sqlite(tmp_path: Path) -> DatabaseDict:
    return {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}


class _Site:
    """A server with a log configuration and a certificate, and what its operator does to them."""

    def __init__(self, start: StartHomeserver, folder: Path, **options: object) -> None:
        self.log_config = folder / "log.config"
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        self.log_level("INFO")
        self.authority = self.issue()
        self.tls_port = free_port()
        self.server: HomeserverProcess = start(
            _sqlite(folder),
            log_config=str(self.log_config),
            tls_certificate_path=str(self.certificate),
            tls_private_key_path=str(self.key),
            more_listeners=(
                {
                    "port": self.tls_port,
                    "bind_addresses": ["127.0.0.1"],
                    "type": "http",
                    "tls": True,
                    "resources": [{"names": ["client"]}],
                },
            ),
            **options,
        )

    def log_level(self, level: str) -> None:
        self.log_config.write_text(_LOG.format(level=level))

    def issue(self) -> trustme.CA:
        """A new certificate of a new authority."""
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        self.certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())
        return authority

    def trusts(self, authority: trustme.CA) -> bool:
        """Whether a client that trusts this authority can connect."""
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with socket.create_connection(("127.0.0.1", self.tls_port), timeout=10) as connection:
            try:
                context.wrap_socket(connection, server_hostname="localhost").close()
            except ssl.SSLCertVerificationError:
                return False
        return True

    def reload(self) -> str:
        """Send the signal; what is logged about it."""
        before = len(self.server.output())
        os.kill(self.server.pid, signal.SIGHUP)
        return self.wait_for(r"(Reloaded\.|Nothing was reloaded).*\n", since=before)

    def wait_for(self, pattern: str, *, since: int = 0) -> str:
        """The output since then, once there is such a line in it."""
        deadline = time.monotonic() + 20
        while not re.search(pattern, self.server.output()[since:]):
            assert time.monotonic() < deadline, self.server.last_words()
            time.sleep(0.02)
        return self.server.output()[since:]

    def ask(self, path: str = "/_matrix/client/versions") -> object:
        with urllib.request.urlopen(f"{self.server.url}{path}", timeout=10) as answer:
            return json.load(answer)

    def logs_requests(self) -> bool:
        before = len(self.server.output())
        self.ask()
        # Once another request is answered, the line of the one before has been written or will never be.
        urllib.request.urlopen(f"{self.server.url}/health", timeout=10).close()
        return "Processed request" in self.server.output()[before:]


def test_what_can_change_does_and_the_rest_is_named(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    site = _Site(start_homeserver, tmp_path)
    old = site.authority
    assert site.trusts(old)
    assert site.logs_requests()
    new = site.issue()
    site.server.write_options(
        rc_registration={"per_second": 0.001, "burst_count": 1},
        bcrypt_rounds=5,
        web_client_location="https://a.example/",
    )
    said = site.reload()
    assert (
        "Reloaded. Changed: rc_registration.per_second, rc_registration.burst_count, tls_certificate_path (what is in the file)\n"
        in said
    )
    assert "In force only after a restart: web_client_location, bcrypt_rounds\n" in said
    assert site.trusts(new)
    assert not site.trusts(old)
    statuses = [_register(site, f"user{number}") for number in range(2)]
    assert statuses == [200, 429]
    # What waits for a restart is said again, what has been reloaded is not.
    said = site.reload()
    assert "Changed: nothing\n" in said
    assert "In force only after a restart: web_client_location, bcrypt_rounds\n" in said


def _register(site: _Site, name: str) -> int:
    body = json.dumps({"username": name, "password": "correct horse", "auth": {"type": "m.login.dummy"}}).encode()
    request = urllib.request.Request(f"{site.server.url}/_matrix/client/v3/register", data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_log_follows_its_file(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    site = _Site(start_homeserver, tmp_path)
    assert site.logs_requests()
    site.log_level("ERROR")
    before = len(site.server.output())
    os.kill(site.server.pid, signal.SIGHUP)
    deadline = time.monotonic() + 20
    while site.logs_requests():
        assert time.monotonic() < deadline
    assert "Nothing was reloaded" not in site.server.output()[before:]
    site.log_level("INFO")
    assert "Reloaded. Changed: log_config (what is in the file)\n" in site.reload()
    assert site.logs_requests()


@pytest.mark.parametrize("mistake", ["option", "yaml", "log", "certificate", "key of another"])
def test_a_mistake_anywhere_changes_nothing_and_is_told(
    start_homeserver: StartHomeserver, tmp_path: Path, mistake: str
) -> None:
    site = _Site(start_homeserver, tmp_path)
    old = site.authority
    config, log, certificate = site.server.config, site.log_config, site.certificate
    # Besides the mistake everything is different: nothing of it may come into force.
    new = site.issue()
    site.log_level("ERROR")
    site.server.write_options(rc_registration={"per_second": 0.001, "burst_count": 1})
    line = next(n for n, text in enumerate(config.read_text().splitlines(), 1) if "tls_certificate_path" in text)
    if mistake == "option":
        site.server.write_options(server_name="Not a name")
        expected = rf"{config}:2: option server_name: expected a server name"
    elif mistake == "yaml":
        config.write_text(config.read_text()[:-2])
        expected = rf"{config}:\d+: "
    elif mistake == "log":
        log.write_text(log.read_text().replace("logging.StreamHandler", "no.such.Handler"))
        expected = rf"option log_config: {log}:4: Unable to configure handler 'console'"
    elif mistake == "certificate":
        certificate.write_text("nonsense")
        expected = rf"{config}:{line}: option tls_certificate_path: {certificate} with {site.key}: "
    else:
        keys = site.key.read_bytes()
        site.issue()
        site.key.write_bytes(keys)
        expected = (
            rf"{config}:{line}: option tls_certificate_path: {certificate} with {site.key}: .*KEY_VALUES_MISMATCH"
        )
    said = site.reload()
    assert re.search(rf"ERROR - - - Nothing was reloaded: .*{expected}", said), said
    assert site.trusts(old)
    assert not site.trusts(new)
    assert site.logs_requests()
    assert [_register(site, f"user{number}") for number in range(3)] == [200] * 3


@pytest.fixture
def service_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd would be: a socket on which the process says how it does."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listening


def test_the_service_manager_is_told(
    start_homeserver: StartHomeserver, tmp_path: Path, service_manager: socket.socket
) -> None:
    def told() -> list[str]:
        return service_manager.recv(4096).decode().split("\n")

    site = _Site(start_homeserver, tmp_path)
    assert told() == ["READY=1", "STATUS=Running"]
    began_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    site.reload()
    reloading, moment = told()
    assert reloading == "RELOADING=1"
    assert (
        began_us <= int(moment.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    )
    assert told() == ["READY=1", "STATUS=Running; reloaded"]
    site.log_config.write_text("version: 1\nhandlers: [")
    site.reload()
    assert told()[0] == "RELOADING=1"
    ready, status = told()
    assert ready == "READY=1"
    assert status.startswith("STATUS=Running; nothing was reloaded: ")
    assert site.server.stop() == 0
    assert told() == ["STOPPING=1"]


_Ask = Callable[..., Coroutine[None, None, Any]]


class _Load:
    """Clients that ask one thing after the other until they are told to stop."""

    def __init__(self, site: _Site) -> None:
        self._site = site
        self.answers = 0
        self.is_over = False

    async def client(self, *, is_tls: bool) -> None:
        """One connection, kept."""
        async with self._connection(is_tls=is_tls) as ask:
            while not self.is_over:
                await ask("GET", "/_matrix/client/versions")

    async def person(self, name: str, *, is_tls: bool) -> None:
        """Somebody who says one thing after the other, and reads it from a sync that waits for it."""
        body = {"username": name, "password": "correct horse", "auth": {"type": "m.login.dummy"}}
        async with self._connection(is_tls=is_tls) as ask, self._connection(is_tls=is_tls) as read:
            token = (await ask("POST", "/_matrix/client/v3/register", body))["access_token"]
            room_id = (await ask("POST", "/_matrix/client/v3/createRoom", {}, token))["room_id"]
            sync = "/_matrix/client/v3/sync?timeout=20000"
            since = (await read("GET", sync, None, token))["next_batch"]
            number = 0
            while not self.is_over:
                number += 1
                waiting = asyncio.create_task(read("GET", f"{sync}&since={since}", None, token))
                message = f"/_matrix/client/v3/rooms/{room_id}/send/m.room.message/{number}"
                sent = await ask("PUT", message, {"msgtype": "m.text", "body": "x"}, token)
                news = await waiting
                since = news["next_batch"]
                events = news["rooms"]["join"][room_id]["timeline"]["events"]
                assert [event["event_id"] for event in events] == [sent["event_id"]]

    @asynccontextmanager
    async def _connection(self, *, is_tls: bool) -> AsyncIterator[_Ask]:
        """A connection, by which one asks; whatever is not a whole 200 raises."""
        port = self._site.tls_port if is_tls else self._site.server.port
        trust = ssl.create_default_context() if is_tls else None
        if trust is not None:
            trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)

        async def ask(method: str, path: str, body: object = None, token: str = "") -> Any:
            content = b"" if body is None else json.dumps(body).encode()
            lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Content-Length: {len(content)}"]
            lines += [f"Authorization: Bearer {token}"] if token else []
            writer.write("\r\n".join([*lines, "", ""]).encode() + content)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            answer = await reader.readexactly(int(length[1]))
            assert head.startswith(b"HTTP/1.1 200 "), head + answer
            self.answers += 1
            return json.loads(answer)

        try:
            yield ask
        finally:
            writer.close()


async def test_under_load_no_request_is_lost(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    site = _Site(start_homeserver, tmp_path)
    load = _Load(site)
    clients = [asyncio.create_task(load.client(is_tls=bool(number % 2))) for number in range(30)]
    clients += [asyncio.create_task(load.person(f"user{number}", is_tls=bool(number % 2))) for number in range(6)]
    seen = []
    for reloads in range(1, 13):
        if reloads % 3 == 0:
            site.log_config.write_text("version: 1\nhandlers: [")
        else:
            site.log_level("INFO")
            site.issue()
        before = load.answers
        os.kill(site.server.pid, signal.SIGHUP)
        async with asyncio.timeout(30):
            while _outcomes(site) < reloads or load.answers < before + 200:
                assert not any(client.done() for client in clients)
                await asyncio.sleep(0.01)
        seen.append(load.answers - before)
    load.is_over = True
    await asyncio.gather(*clients)
    assert min(seen) >= 200
    assert site.server.output().count("Nothing was reloaded") == 4


def _outcomes(site: _Site) -> int:
    output = site.server.output()
    return output.count("Reloaded. ") + output.count("Nothing was reloaded")
