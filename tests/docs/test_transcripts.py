"""What the documentation shows of a terminal is what one sees; that of `ranvier doctor`: `tests/cli/test_doctor.py`."""

import os
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranvier.cli.commands import commands
from tests.cli.programs import environment, ranvier
from tests.services.ports import free_port

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
MAKE = shutil.which("make") or "make"
PLACE = "/srv/matrix"
"""Where the documentation's server is."""


def _said(document: str, command: str) -> str:
    """What the documentation shows after a command, up to the next one or the end of the block."""
    text = (ROOT / "docs" / document).read_text()
    assert f"\n$ {command}\n" in text, command
    return re.split(r"^(?:\$ |```)", text.partition(f"\n$ {command}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_help(tmp_path: Path) -> None:
    shown = _said("getting-started.md", "ranvier --help")
    assert shown.endswith("\n...\n")
    said = ranvier(tmp_path, "--help").stdout
    assert said.partition("usage:")[0] == shown.removesuffix("...\n")


def test_make_run(tmp_path: Path) -> None:
    shown = _said("getting-started.md", "make run")
    # What a make that runs the tests hands down is not for this one, which would speak of folders.
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    makes = subprocess.run(
        [MAKE, "-n", "run"], cwd=ROOT, env=alone, capture_output=True, text=True, check=True, timeout=60
    )
    words = shlex.split(makes.stdout.splitlines()[-1])[1:]
    assert words[:3] == ["-m", "ranvier", "--generate-missing-and-run"]
    made = ranvier(tmp_path, *words[3:], "--generate-config").stderr
    # The port of a new configuration is fixed, and may be taken on this machine: run it on another.
    port = free_port()
    (tmp_path / "zz.yaml").write_text(
        f"listeners: [{{port: {port}, bind_addresses: [127.0.0.1], resources: [{{names: [client]}}]}}]\n"
    )
    output = tmp_path / "output"
    with output.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, *words, "-c", "zz.yaml"], cwd=tmp_path, env=environment(), stdout=file, stderr=file
        )
    try:
        deadline = time.monotonic() + DEADLINE_S
        while "--admin" not in output.read_text():
            assert server.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.02)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(DEADLINE_S) == 0
    said = "".join(line for line in made.splitlines(keepends=True) if line.startswith("wrote")) + output.read_text()
    said = said.replace(str(port), "8008").replace(" -c zz.yaml", "").rstrip() + "\n"
    said = said.replace(str(tmp_path), PLACE).replace(sys.executable, f"{PLACE}/.venv/bin/python")
    installing, _, rest = shown.partition("\n")
    assert f'@echo "{installing.replace(".venv", "$(VENV)")}"' in (ROOT / "Makefile").read_text()
    assert said == rest.replace("http://[::1]:8008, ", "")


def test_backup_and_restore(tmp_path: Path) -> None:
    new = ("--generate-config", "--server-name", "localhost", "-c", "homeserver.yaml")
    assert ranvier(tmp_path, *new).returncode == 0
    port = free_port()
    text = (tmp_path / "homeserver.yaml").read_text().replace("port: 8008", f"port: {port}")
    (tmp_path / "homeserver.yaml").write_text(text)
    server = subprocess.Popen(
        [sys.executable, "-m", "ranvier"], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    with server.stderr as said:
        assert "listens" in said.readline()
        for command in (
            "ranvier backup -c homeserver.yaml saved",
            "ranvier restore --check saved",
            "ranvier restore saved",
        ):
            done = ranvier(tmp_path, *command.split()[1:])
            assert _plain(done.stderr + done.stdout, tmp_path) == _plain(_said("commands.md", command), tmp_path)
        server.send_signal(signal.SIGTERM)
        assert server.wait(DEADLINE_S) == 0


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many files may be open as the system allows, whatever this process began with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_doctor(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = tmp_path / "careless.yaml"
        file.write_text(
            _said("doctor.md", "cat careless.yaml").replace("8008", str(port)).replace(PLACE, str(tmp_path))
        )
        assert ranvier(tmp_path, "--generate-keys", "-c", "careless.yaml").returncode == 0
        file.chmod(0o644)
        said = ranvier(tmp_path, "doctor", "--offline", "-c", "careless.yaml").stdout
    said = said.replace(str(port), "8008").replace(str(tmp_path), PLACE)
    said = re.sub(r"taken by .*", "taken by nginx (process 812)", said)
    said = re.sub(r"up to \d+", "up to 65536", re.sub(r"\d+ GiB", "62 GiB", said))
    assert said == _said("doctor.md", "ranvier doctor --offline -c careless.yaml")


def _plain(text: str, folder: Path) -> str:
    """Without sizes."""
    return re.sub(r"\d+\.\d MB", "some MB", text).replace(str(folder), PLACE)


def test_every_command_is_described() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    assert [name for name in commands() if f"`{name}`" not in text] == []
