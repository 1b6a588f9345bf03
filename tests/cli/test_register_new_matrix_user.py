"""`register_new_matrix_user`, against a server of the admin API that checks the proof."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ranvier import register_new_matrix_user

_SECRET = "shared"


class _Registrar(ThreadingHTTPServer):
    """Answers as the admin API's documentation says, and remembers whom it was asked to make."""

    users: list[dict[str, object]]


class _Answers(BaseHTTPRequestHandler):
    server: _Registrar

    def do_GET(self) -> None:  # the name the standard library calls
        self._answer(200, {"nonce": "a nonce"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = ["a nonce", body["username"], body["password"], "admin" if body["admin"] else "notadmin"]
        if body.get("user_type"):
            words.append(body["user_type"])
        mac = hmac.new(_SECRET.encode(), b"\x00".join(word.encode() for word in words), hashlib.sha1)
        if body["mac"] != mac.hexdigest():
            self._answer(403, {"errcode": "M_UNKNOWN", "error": "HMAC incorrect"})
        elif body["username"] == "taken":
            self._answer(400, {"errcode": "M_USER_IN_USE", "error": "User ID already taken."})
        elif body["username"] == "broken":
            self._answer(500, {"errcode": "M_UNKNOWN", "error": "Internal server error"})
        else:
            self.server.users.append(body)
            self._answer(200, {"user_id": f"@{body['username']}:test"})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registrar() -> Iterator[_Registrar]:
    with _Registrar(("127.0.0.1", 0), _Answers) as server:
        server.users = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _url(registrar: _Registrar) -> str:
    return f"http://127.0.0.1:{registrar.server_port}"


def _register(registrar: _Registrar, *argv: str, secret: str = _SECRET) -> int:
    return register_new_matrix_user.main([*argv, "-k", secret, _url(registrar)])


@pytest.mark.parametrize(
    ("flags", "admin", "user_type"),
    [
        (["--admin"], True, None),
        (["-a"], True, None),
        (["--no-admin"], False, None),
        (["--no-admin", "-t", "bot"], False, "bot"),
        (["--admin", "--user_type", "support"], True, "support"),
    ],
)
def test_an_account_is_made(registrar: _Registrar, flags: list[str], admin: bool, user_type: str | None) -> None:
    assert _register(registrar, "-u", "älice", "-p", "sëcret", *flags) == 0
    (made,) = registrar.users
    assert (made["username"], made["password"]) == ("älice", "sëcret")
    assert (made["admin"], made["user_type"]) == (admin, user_type)


def test_secret_and_address_come_from_the_configuration(registrar: _Registrar, tmp_path: Path) -> None:
    # Nothing else of the file matters, so that the script works where the rest cannot be read.
    (tmp_path / "a.yaml").write_text("bcrypt_rounds: many\n")
    (tmp_path / "b.yaml").write_text(
        f"registration_shared_secret_path: {tmp_path}/secret\n"
        f"listeners: [{{port: {registrar.server_port}, resources: [{{names: [client]}}]}}]\n"
    )
    (tmp_path / "secret").write_text(f"{_SECRET}\n")
    argv = ["-u", "alice", "-p", "x", "--admin", "-c", str(tmp_path / "a.yaml"), "-c", str(tmp_path / "b.yaml")]
    assert register_new_matrix_user.main(argv) == 0
    assert [user["username"] for user in registrar.users] == ["alice"]


def test_a_password_from_a_file(registrar: _Registrar, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(" with spaces \n")
    assert _register(registrar, "-u", "alice", "--no-admin", "--password-file", str(tmp_path / "password")) == 0
    assert registrar.users[0]["password"] == " with spaces "


@pytest.mark.parametrize(("answer", "admin"), [("yes", True), ("y", True), ("", False), ("no", False)])
def test_what_is_missing_is_asked_for(
    registrar: _Registrar, monkeypatch: pytest.MonkeyPatch, answer: str, admin: bool
) -> None:
    answers = iter(["alice", answer])
    monkeypatch.setattr("builtins.input", lambda _prompt: next(answers))
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "typed")
    assert _register(registrar) == 0
    (made,) = registrar.users
    assert (made["username"], made["password"], made["admin"]) == ("alice", "typed", admin)


def test_a_password_is_typed_twice(
    registrar: _Registrar, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["one", "another"])
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(typed))
    assert _register(registrar, "-u", "alice", "--admin") == 1
    assert "the two passwords differ" in capsys.readouterr().err
    assert registrar.users == []


def test_giving_up_does_nothing(registrar: _Registrar, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("getpass.getpass", interrupt)
    assert _register(registrar, "-u", "alice") == 130
    assert registrar.users == []


def test_a_name_that_is_taken(registrar: _Registrar, capsys: pytest.CaptureFixture[str]) -> None:
    assert _register(registrar, "-u", "taken", "-p", "x", "--admin") == 1
    assert capsys.readouterr().err == "the name taken is taken\n"
    assert _register(registrar, "-u", "taken", "-p", "x", "--admin", "--exists-ok") == 0
    assert "exists already" in capsys.readouterr().out


def test_a_wrong_secret(registrar: _Registrar, capsys: pytest.CaptureFixture[str]) -> None:
    assert _register(registrar, "-u", "alice", "-p", "x", "--admin", secret="wrong") == 1
    assert "does not accept the shared secret: the server refused: HMAC incorrect" in capsys.readouterr().err


def test_a_server_with_a_problem(registrar: _Registrar, capsys: pytest.CaptureFixture[str]) -> None:
    assert _register(registrar, "-u", "broken", "-p", "x", "--admin") == 1
    assert capsys.readouterr().err == "the server refused: Internal server error (HTTP 500)\n"


# Port 1 is nobody's; a number drawn here would differ between the processes that run the tests.
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://[::1", "http://a:b", "file:///etc/passwd", "localhost:8008"]
)
def test_no_server_there(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert register_new_matrix_user.main(["-u", "a", "-p", "b", "--admin", "-k", "x", url]) == 1
    assert url.split("[", maxsplit=1)[0] in capsys.readouterr().err


def test_a_configuration_without_a_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("server_name: test\n")
    assert register_new_matrix_user.main(["-c", str(tmp_path / "a.yaml")]) == 1
    assert "has no registration_shared_secret" in capsys.readouterr().err
    assert register_new_matrix_user.main(["-c", str(tmp_path / "b.yaml")]) == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["-c", "a", "-k", "b"], ["-k", "b", "-p", "x", "--password-file", "y"]])
def test_command_lines_that_make_no_sense(argv: list[str]) -> None:
    with pytest.raises(SystemExit):
        register_new_matrix_user.main(argv)
