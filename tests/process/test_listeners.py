"""What an operator opens with `listeners`: a process, its sockets, and what each of them serves."""

import http.client
import json
import socket
import ssl
import stat
from pathlib import Path

import pytest

from tests.conftest import DatabaseDict, StartHomeserver
from tests.http.certificate import CERTIFICATE, KEY
from tests.services.homeserver import HomeserverProcess
from tests.services.ports import free_port

_PATHS = {
    "/health": "always",
    "/_matrix/client/versions": "client",
    "/_matrix/static/client/login/": "static",
    "/_matrix/key/v2/server": "keys",
    "/_matrix/federation/v1/version": "federation",
    "/_matrix/federation/v1/openid/userinfo?access_token=x": "openid",
}
"""A path of each resource that anybody may ask for."""
_SERVED = {
    "client": {"always", "client", "static"},
    "federation": {"always", "federation", "keys", "openid"},
    "keys": {"always", "keys"},
    "openid": {"always", "openid"},
    "static": {"always", "static"},
    "media": {"always"},
    "metrics": {"always"},
    "consent": {"always"},
    "replication": {"always"},
    "health": {"always"},
}


class _Unix(http.client.HTTPConnection):
    """HTTP through a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(self._path))


def _get(connection: http.client.HTTPConnection, path: str, **headers: str) -> http.client.HTTPResponse:
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        return answer
    finally:
        connection.close()


def _at(port: int, host: str = "127.0.0.1") -> http.client.HTTPConnection:
    return http.client.HTTPConnection(host, port, timeout=10)


def _sqlite(tmp_path: Path) -> DatabaseDict:
    return {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}


def _listener(port: int, *names: str, **options: object) -> dict[str, object]:
    return {"port": port, "bind_addresses": ["127.0.0.1"], "type": "http", "resources": [{"names": names}], **options}


def _start(
    start: StartHomeserver, tmp_path: Path, *listeners: dict[str, object], **options: object
) -> HomeserverProcess:
    """A server with these listeners besides its own."""
    return start(_sqlite(tmp_path), more_listeners=listeners, **options)


def test_each_resource_serves_its_paths_and_health(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    ports = {name: free_port() for name in _SERVED}
    _start(start_homeserver, tmp_path, *(_listener(port, name) for name, port in ports.items()))
    found = {
        name: {
            resource for path, resource in _PATHS.items() if _get(_at(port), path).status != http.HTTPStatus.NOT_FOUND
        }
        for name, port in ports.items()
    }
    assert found == _SERVED


def test_addresses_old_and_new_and_a_unix_socket(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    several, single = free_port(), free_port()
    path = tmp_path / "client.sock"
    server = _start(
        start_homeserver,
        tmp_path,
        _listener(several, "client", bind_addresses=["127.0.0.1", "127.0.0.2"]),
        {"port": single, "type": "http", "bind_address": "127.0.0.3", "resources": [{"names": ["client"]}]},
        {"path": str(path), "mode": "0o600", "type": "http", "resources": [{"names": ["client"]}]},
        web_client_location="https://app.example.org/über?a=%20",
    )
    assert _get(_at(several), "/health").status == 200
    assert _get(_at(several, "127.0.0.2"), "/health").status == 200
    assert _get(_at(single, "127.0.0.3"), "/health").status == 200
    with pytest.raises(ConnectionRefusedError):
        _get(_at(single), "/health")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _get(_Unix(path), "/_matrix/client/versions").status == 200
    to_the_client = _get(_at(several), "/")
    assert (to_the_client.status, to_the_client.getheader("Location")) == (
        302,
        "https://app.example.org/%C3%BCber?a=%20",
    )
    assert server.stop() == 0


def test_a_listener_with_tls_a_tag_and_a_proxy_before_it(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(CERTIFICATE)
    key.write_text(KEY)
    port = free_port()
    options = {"tls": True, "tag": "outside", "x_forwarded": True, "request_id_header": "X-Trace"}
    server = _start(
        start_homeserver,
        tmp_path,
        _listener(port, "client", **options),
        tls_certificate_path=str(certificate),
        tls_private_key_path=str(key),
    )
    trust = ssl.create_default_context(cafile=str(certificate))
    trust.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=trust)
    headers = {"X-Trace": "trace-7", "X-Forwarded-For": "192.0.2.9, 10.0.0.1"}
    assert _get(connection, "/_matrix/client/versions", **headers).status == 200
    assert server.stop() == 0
    [line] = [line for line in server.output().splitlines() if "trace-7" in line]
    assert " - synapse.access.https.outside - " in line
    assert " - trace-7 - 192.0.2.9 - outside - {} Processed request: " in line


@pytest.mark.parametrize("address", ["::1", "::"])
def test_a_machine_without_ipv6_is_no_reason_not_to_start(
    start_homeserver: StartHomeserver, tmp_path: Path, address: str
) -> None:
    """Whether or not this machine has it: IPv4 is served."""
    port = free_port()
    _start(start_homeserver, tmp_path, _listener(port, "client", bind_addresses=[address, "127.0.0.1"]))
    assert _get(_at(port), "/health").status == 200


def test_health_alone_is_a_server(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    port = free_port()
    _start(start_homeserver, tmp_path, _listener(port, "health"))
    assert json.dumps(_get(_at(port), "/health").body.decode()) == '"OK"'  # type: ignore[attr-defined]
    assert _get(_at(port), "/_matrix/client/versions").status == 404
