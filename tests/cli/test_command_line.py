"""`python -m ranvier` as one types it."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.ports import free_port

_ROOT = Path(__file__).parents[2]
_DEADLINE_S = 30


def _run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ranvier", *argv],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=_DEADLINE_S,
    )


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(_ROOT)}


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _wait(until: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not until():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_generating_twice_changes_nothing(tmp_path: Path) -> None:
    command = ["-c", "homeserver.yaml", "--generate-config", "--server-name", "example.org", "--report-stats", "no"]
    assert _run(tmp_path, *command).returncode == 0
    made = _contents(tmp_path)
    assert set(made) == {"homeserver.yaml", "example.org.log.config", "example.org.signing.key"}
    again = _run(tmp_path, *command)
    assert (again.returncode, _contents(tmp_path)) == (0, made)
    assert "kept homeserver.yaml" in again.stderr


def test_generating_keys_writes_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "homeserver.yaml").write_text(
        "server_name: example.org\nlog_config: log.yaml\nregistration_shared_secret_path: secret\n"
    )
    done = _run(tmp_path, "-c", "homeserver.yaml", "--generate-keys")
    assert done.returncode == 0, done.stderr
    assert set(_contents(tmp_path)) == {"homeserver.yaml", "log.yaml", "secret", "example.org.signing.key"}


def test_without_a_configuration_it_says_how_to_make_one(tmp_path: Path) -> None:
    done = _run(tmp_path, "-c", "homeserver.yaml")
    assert done.returncode == 1
    assert "homeserver.yaml: no such file; to make one, add --server-name" in done.stderr
    assert "Traceback" not in done.stderr
    done = _run(tmp_path, "--generate-config")
    assert done.returncode == 1
    assert "--server-name example.org" in done.stderr
    assert _contents(tmp_path) == {}


def test_every_mistake_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "homeserver.yaml").write_text("server_name: X\nbcrypt_rounds: many\n")
    done = _run(tmp_path)
    assert done.returncode == 1
    assert "  homeserver.yaml:1: option server_name" in done.stderr
    assert "  homeserver.yaml:2: option bcrypt_rounds" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_the_log_configuration_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "homeserver.yaml").write_text("server_name: test\nlog_config: log.yaml\n")
    (tmp_path / "log.yaml").write_text("version: 1\nhandlers: {x: {class: no.such.Class}}\n")
    done = _run(tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("log.yaml:2: ")
    assert "Traceback" not in done.stderr


def test_help_is_quick_because_it_imports_no_server(tmp_path: Path) -> None:
    program = (
        "import sys, ranvier.cli.start\n"
        "assert not {'uvloop', 'uvicorn', 'asyncio', 'nacl', 'ranvier.app'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=_environment(), check=True)


@pytest.mark.parametrize("server_name", ["localhost"])
def test_one_command_makes_a_server_and_runs_it(tmp_path: Path, server_name: str) -> None:
    # The port of a new configuration is fixed, and may be taken on this machine: run it on another.
    port = free_port()
    command = ["-c", "homeserver.yaml", "--server-name", server_name, "--report-stats", "no"]
    assert _run(tmp_path, *command, "--generate-config").returncode == 0
    override = tmp_path / "zz.yaml"
    override.write_text(
        f"listeners: [{{port: {port}, bind_addresses: [127.0.0.1], resources: [{{names: [client]}}]}}]\n"
    )
    with (tmp_path / "output").open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "ranvier", "--generate-missing-and-run", *command, "-c", "zz.yaml"],
            cwd=tmp_path,
            env=_environment(),
            stdout=output,
            stderr=output,
        )
    try:
        _wait(lambda: server.poll() is not None or _is_healthy(port), "it does not answer")
        said = (tmp_path / "output").read_text()
        assert server.poll() is None, said
        _wait(lambda: "--admin" in (tmp_path / "output").read_text(), "it does not say how to make an admin")
        said = (tmp_path / "output").read_text()
        assert f"http://127.0.0.1:{port}" in said
        assert "-m ranvier.register_new_matrix_user -c homeserver.yaml -c zz.yaml --admin" in said
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(_DEADLINE_S) == 0


def test_a_daemon_detaches_notes_its_number_and_is_alone(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "homeserver.yaml").write_text(
        f"server_name: localhost\npid_file: {tmp_path}/daemon.pid\nlog_config: log.yaml\n"
        f"listeners: [{{port: {port}, bind_addresses: [127.0.0.1], resources: [{{names: [client]}}]}}]\n"
    )
    done = _run(tmp_path, "-D", "--print-pidfile")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/daemon.pid\n"), done.stderr
    pid_file = tmp_path / "daemon.pid"
    _wait(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"), "no PID file")
    pid = int(pid_file.read_text())
    try:
        _wait(lambda: _is_healthy(port), "the daemon does not answer")
        second = _run(tmp_path, "-D")
        assert second.returncode == 1
        assert "is running already" in second.stderr
        assert int(pid_file.read_text()) == pid
    finally:
        os.kill(pid, signal.SIGTERM)
    _wait(lambda: not pid_file.exists(), "the PID file stays")


def test_a_daemon_needs_a_pid_file(tmp_path: Path) -> None:
    (tmp_path / "homeserver.yaml").write_text("server_name: localhost\n")
    done = _run(tmp_path, "-D")
    assert done.returncode == 1
    assert "a daemon needs pid_file" in done.stderr
