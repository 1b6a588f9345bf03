"""`ranvier doctor` on ports: free, this server's own, or somebody else's, which is an error."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ranvier.cli import doctor_ports
from ranvier.cli.doctor_findings import Finding
from ranvier.cli.doctor_ports import Owner, examine_port, owner_of
from ranvier.config.load import parse
from ranvier.config.sections import Listener
from tests.conftest import StartHomeserver
from tests.services.homeserver import SERVER_NAME
from tests.services.ports import free_port

KEY = f"ed25519 a_test {'A' * 43}"


def _listener(port: int, *, type: str = "http", names: tuple[str, ...] = ("client", "federation")) -> Listener:
    resources = [{"names": list(names)}] if type == "http" else []
    options = {"type": type, "port": port, "bind_addresses": ["127.0.0.1"], "resources": resources}
    given = {"server_name": SERVER_NAME, "signing_key": KEY, "listeners": [options], "enable_metrics": True}
    return parse(given).listeners[0]


def _look(port: int, **options: object) -> Finding:
    found = examine_port(_listener(port, **options), SERVER_NAME)  # type: ignore[arg-type]  # those of _listener
    assert found is not None
    return found


@contextmanager
def answering(**answers: bytes) -> Iterator[int]:
    """Somebody who answers GET requests: what for `keys`, what for `health`; else 404."""
    paths = {"/_matrix/key/v2/server": answers.get("keys"), "/health": answers.get("health")}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = paths.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_a_free_port() -> None:
    assert _look(port := free_port()) == Finding("ok", "ports", f"{port} is free")


def test_the_server_s_own(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    metrics = free_port()
    server = start_homeserver(
        {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}},
        enable_metrics=True,
        more_listeners=({"port": metrics, "type": "metrics", "bind_addresses": ["127.0.0.1"]},),
    )
    assert _look(server.port) == Finding("ok", "ports", f"{server.port} is this server's, which is running")
    # Without keys it does not name itself.
    assert _look(server.port, names=("client",)).level == "ok"
    owner = owner_of(metrics)
    assert owner is not None
    assert (owner.pid, owner.is_ranvier) == (server.pid, True)
    found = _look(metrics, type="metrics")
    assert (found.level, "is taken, by what answers as this server would" in found.text) == ("note", True)


def test_a_stranger() -> None:
    with answering() as port:
        found = _look(port)
    assert found.level == "error"
    assert f"{port} on 127.0.0.1 is taken by " in found.text
    assert f"(process {os.getpid()})" in found.text


def test_a_stranger_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_ports, "TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert _look(taken.getsockname()[1]).level == "error"


def test_another_homeserver() -> None:
    with answering(keys=json.dumps({"server_name": "other.example"}).encode(), health=b"OK") as port:
        found = _look(port)
    assert (found.level, found.text) == ("error", f"{port} on 127.0.0.1 is taken by the homeserver of other.example")


@pytest.mark.parametrize(("health", "level"), [(b"OK", "note"), (b"fine", "error")])
def test_what_does_not_name_itself(monkeypatch: pytest.MonkeyPatch, health: bytes, level: str) -> None:
    """Nor does the system tell whose it is."""
    monkeypatch.setattr(doctor_ports, "owner_of", lambda port: None)
    with answering(health=health) as port:
        found = _look(port, names=("client",))
    assert found.level == level


def test_an_address_of_another_machine() -> None:
    listener = {"type": "http", "port": 8008, "bind_addresses": ["192.0.2.1"], "resources": [{"names": ["client"]}]}
    config = parse({"server_name": SERVER_NAME, "signing_key": KEY, "listeners": [listener]})
    found = examine_port(config.listeners[0], SERVER_NAME)
    assert found is not None
    assert found.level == "error"
    assert "cannot be listened at" in found.text


@pytest.mark.parametrize(
    ("words", "is_ranvier"),
    [
        (("/usr/bin/python3", "-m", "ranvier", "-c", "x"), True),
        (("/usr/bin/python3", "/usr/bin/ranvier", "-c", "x"), True),
        (("python3", "-m", "ranvier.app.homeserver"), True),
        (("nginx: master process",), False),
        ((), False),
    ],
)
def test_processes(words: tuple[str, ...], is_ranvier: bool) -> None:
    assert Owner(1, words).is_ranvier == is_ranvier
