"""`ranvier doctor`: of a sound server nothing is wrong, and everything that may be wrong is found and has a remedy."""

import datetime as dt
import json
import socket
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme

from ranvier.cli import doctor_database
from ranvier.cli.doctor_config import examine_config
from ranvier.cli.doctor_database import examine_database
from ranvier.cli.doctor_findings import Finding
from ranvier.cli.doctor_machine import examine_machine
from ranvier.cli.doctor_network import ask_for_keys
from ranvier.config.load import parse
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.ports import FederationAnswer, FederationUnreachable
from tests.cli.programs import ranvier
from tests.conftest import DatabaseDict
from tests.federation_tls.server import FederatingServer, issue

DOCUMENT = Path(__file__).parents[2] / "docs" / "doctor.md"
HTTP = {"type": "http", "resources": [{"names": ["client", "federation"]}]}


def _config(**options: object) -> Config:
    return parse({"server_name": "a.test", "signing_key": f"ed25519 a_test {'A' * 43}", **options})


def _of(findings: list[Finding], subject: str) -> list[Finding]:
    return [finding for finding in findings if finding.subject == subject]


def test_a_sound_server(tmp_path: Path) -> None:
    server = FederatingServer(tmp_path / "hs", issue(tmp_path), host="localhost", options={})
    for path in server.folder.parent.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
    server.start()
    try:
        done = ranvier(server.folder, "doctor", "-c", str(server.config), "--json")
    finally:
        server.stop()
    found = {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert (done.returncode, done.stderr) == (0, "")
    for subject in ("configuration", "secrets", "certificate", "database", "schema", "disk"):
        assert found[subject]["level"] == "ok", found[subject]
    for subject in ("ports", "delegation", "connection", "tls", "federation"):
        assert found[subject]["level"] == "ok", found[subject]
    assert found["dns"]["level"] == "warning"  # a name of this machine
    assert found["clock"]["level"] == "note"  # that of nobody else is to be seen
    done = ranvier(server.folder, "doctor", "-c", str(server.config))
    assert done.returncode == 1
    assert "error    connection: 127.0.0.1 port" in done.stdout
    assert ranvier(server.folder, "doctor", "-c", str(server.config), "--offline").returncode == 0


def test_a_broken_configuration(tmp_path: Path) -> None:
    """The transcript in the documentation is what one sees."""
    text = DOCUMENT.read_text()
    mistakes, said = (
        text.partition("$ cat broken.yaml\n")[2].partition("```")[0].split("$ ranvier doctor -c broken.yaml\n")
    )
    (tmp_path / "broken.yaml").write_text(mistakes)
    done = ranvier(tmp_path, "doctor", "-c", "broken.yaml")
    assert (done.returncode, done.stdout) == (1, said)


@pytest.mark.parametrize(
    ("options", "subject", "level"),
    [
        ({}, "server_name", "ok"),
        ({"server_name": "localhost"}, "server_name", "warning"),
        ({"server_name": "10.0.0.1"}, "server_name", "note"),
        ({"server_name": "[2620:fe::fe]"}, "server_name", "note"),
        ({"server_name": "[::1]"}, "server_name", "warning"),
        ({"server_name": "[::1]:8448"}, "server_name", "warning"),
        ({"server_name": "a.test:8448"}, "server_name", "note"),
        ({"public_baseurl": "https://a.test/"}, "public_baseurl", "ok"),
        ({"public_baseurl": "http://a.test/"}, "public_baseurl", "warning"),
        ({}, "public_baseurl", "note"),
        ({}, "registration", "ok"),
        ({"enable_registration": True, "registration_requires_token": True}, "registration", "ok"),
        (
            {"enable_registration": True, "enable_registration_without_verification": True},
            "registration",
            "warning",
        ),
        ({"listeners": [{"type": "http", "port": 1, "resources": [{"names": ["health"]}]}]}, "listeners", "error"),
        ({"listeners": [HTTP | {"port": 1, "bind_addresses": ["0.0.0.0"]}]}, "listeners", "warning"),
        ({"listeners": [HTTP | {"port": 1, "bind_addresses": ["127.0.0.1"]}]}, "listeners", "note"),
    ],
)
def test_options(options: Mapping[str, object], subject: str, level: str) -> None:
    found = _of(list(examine_config(_config(**options))), subject)[0]
    assert found.level == level
    assert (found.remedy is None) == (level == "ok")


def _machine(config: Config, path: Path) -> list[Finding]:
    return list(examine_machine(config, secrets=[path / "key"], data=path, now_s=time.time()))


def test_secrets_and_ports(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    (tmp_path / "key").chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = HTTP | {"port": taken.getsockname()[1], "bind_addresses": ["127.0.0.1"]}
        found = _machine(_config(listeners=[listener]), tmp_path)
    (secret,) = _of(found, "secrets")
    assert (secret.level, secret.remedy) == ("warning", f"chmod 600 {tmp_path / 'key'}")
    assert [finding.level for finding in _of(found, "ports")] == ["error"]


@pytest.mark.parametrize(
    ("kind", "level", "text"),
    [
        ("good", "ok", "is good for"),
        ("soon", "warning", "expires in"),
        ("expired", "error", "has expired"),
        ("other name", "warning", "does not do for a.test"),
        ("other key", "error", "cannot be used together"),
        ("no file", "error", "cannot be used together"),
    ],
)
def test_certificates(tmp_path: Path, kind: str, level: str, text: str) -> None:
    days = {"soon": 5, "expired": -5}.get(kind, 60)
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    name = "b.test" if kind == "other name" else "a.test"
    issued = trustme.CA().issue_cert(name, not_before=until - dt.timedelta(days=90), not_after=until)
    other = trustme.CA().issue_cert("a.test")
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    (other if kind == "other key" else issued).private_key_pem.write_to_path(str(key))
    config = _config(
        tls_certificate_path=str(certificate),
        tls_private_key_path=str(key),
        listeners=[HTTP | {"port": 1, "tls": True}],
    )
    if kind == "no file":
        key.unlink()
    (found,) = _of(_machine(config, tmp_path), "certificate")
    assert found.level == level
    assert text in found.text


async def _database(config: Config) -> dict[str, Finding]:
    return {finding.subject: finding async for finding in examine_database(config)}


async def test_databases(db_config: DatabaseDict) -> None:
    found = await _database(_config(database=db_config))
    assert found["database"].level == ("ok" if db_config["name"] == "psycopg2" else "note")


async def test_a_database_that_is_not_there() -> None:
    args = {"host": "127.0.0.1", "port": 1, "user": "nobody", "dbname": "nothing"}
    found = await _database(_config(database={"name": "psycopg2", "args": args}))
    assert found["database"].level == "error"


async def test_damaged_and_newer_databases(tmp_path: Path) -> None:
    path = tmp_path / "homeserver.db"
    config = _config(database={"name": "sqlite3", "args": {"database": str(path)}})
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY, compat_version INTEGER, applied INTEGER)")
        db.execute("INSERT INTO schema_version VALUES (99999, 1, 0)")
        db.execute("CREATE TABLE a (b)")
        db.executemany("INSERT INTO a VALUES (?)", [("x" * 1000,)] * 1000)
    db.close()
    found = await _database(config)
    assert (found["database"].level, found["schema"].level) == ("ok", "ok")  # newer, and old software may use it
    with sqlite3.connect(path) as db:
        db.execute("UPDATE schema_version SET compat_version = 99999")
    db.close()
    assert (await _database(config))["schema"].level == "error"
    with sqlite3.connect(path) as db:
        db.execute("UPDATE schema_version SET version = 999999")
    db.close()
    assert "is being filled" in (await _database(config))["schema"].text
    content = bytearray(path.read_bytes())
    content[40_960:81_920] = b"\xff" * 40_960
    path.write_bytes(content)
    assert (await _database(config))["database"].level == "error"


class Elsewhere:
    """Answers for every server, or does not."""

    def __init__(self, answer: FederationAnswer | None) -> None:
        self.answer = answer

    async def request(self, **_: Any) -> FederationAnswer:
        """The answer."""
        if self.answer is None:
            raise FederationUnreachable("no address of a.test")
        return self.answer


@pytest.mark.parametrize(
    ("body", "level"),
    [
        (b'{"server_name":"a.test"}', "ok"),
        (b'{"server_name":"b.test"}', "error"),
        (b"<html>\xff", "error"),
        (None, "error"),
    ],
)
async def test_who_answers(body: bytes | None, level: str) -> None:
    answer = None if body is None else FederationAnswer(200, {"date": "Thu, 01 Jan 1970 00:16:40 GMT"}, body)
    found, date = await ask_for_keys("a.test", Elsewhere(answer))
    assert (found.level, date) == (level, None if body is None else 1000.0)


async def test_the_clock_of_a_database_elsewhere(
    second_postgres: DatabaseDict, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(database=second_postgres)
    assert "clock" not in await _database(config)  # it is on this machine

    async def elsewhere(db: Database) -> bool:
        return False

    monkeypatch.setattr(doctor_database, "_is_on_this_machine", elsewhere)
    found = (await _database(config))["clock"]
    assert (found.level, found.text) == ("ok", "the same as that of the database")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 600)
    found = (await _database(config))["clock"]
    assert found.level == "warning"
    assert found.text.endswith(" s ahead of that of the database")


@pytest.mark.parametrize("name", ["[::1]", "[::1]:8448"])
def test_the_certificate_of_an_address(tmp_path: Path, name: str) -> None:
    issued = trustme.CA().issue_cert("::1")
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    config = _config(
        server_name=name,
        tls_certificate_path=str(certificate),
        tls_private_key_path=str(key),
        listeners=[HTTP | {"port": 1, "tls": True}],
    )
    (found,) = _of(_machine(config, tmp_path), "certificate")
    assert found.level == "ok", found


def test_a_server_that_has_never_been_started(tmp_path: Path) -> None:
    (tmp_path / "homeserver.yaml").write_text("server_name: a.test\n")
    done = ranvier(tmp_path, "doctor", "--offline")
    assert done.returncode == 1
    assert "-> of a new server it is made by ranvier --generate-keys" in done.stdout
    assert ranvier(tmp_path, "--generate-keys").returncode == 0
    assert "configuration: homeserver.yaml" in ranvier(tmp_path, "doctor", "--offline").stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nhandlers: {a: {class: logging.StreamHandler}}\n", []),
        ("version: 1\nhandlers: {a: {class: synapse.no.Such}}\n", ["synapse.no.Such"]),
        ("version: [\n", ["log.yaml:2: "]),
        ("just text\n", ["log.yaml: expected a mapping"]),
        ("version: 1\nhandlers: {a: {class: no.such.Class}}\n", ["log.yaml: handler a: there is no no.such.Class"]),
        (
            "version: 1\nhandlers: {a: {class: logging.FileHandler, filename: /no/such/folder/x.log}}\n",
            ["log.yaml: handler a: /no/such/folder is not there"],
        ),
        (None, ["log.yaml: No such file"]),
    ],
)
def test_the_log(tmp_path: Path, text: str | None, said: list[str]) -> None:
    path = tmp_path / "log.yaml"
    if text is not None:
        path.write_text(text)
    before = sorted(tmp_path.iterdir())
    found = _of(_machine(_config(log_config=str(path)), tmp_path), "log")
    assert [finding.level for finding in found] == (["error"] if said else ["ok"])
    assert all(part in finding.text for part, finding in zip(said, found, strict=False))
    assert sorted(tmp_path.iterdir()) == before
