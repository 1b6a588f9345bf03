"""The unit file: systemd understands it, and its commands do to a real process what they promise."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ranvier.cli.arguments import parse_arguments
from tests.services.homeserver import HomeserverProcess

_UNIT = Path(__file__).parents[2] / "contrib" / "systemd" / "ranvier.service"


def _service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # systemd tells upper case from lower
    unit.read_string(_UNIT.read_text())
    return unit["Service"]


def test_systemd_finds_no_fault_with_it(tmp_path: Path) -> None:
    """Where there is a systemd to ask."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    text = _UNIT.read_text()
    assert "/opt/ranvier/bin/ranvier" in text
    # The program and the user are not on this machine.
    text = text.replace("/opt/ranvier/bin/ranvier", sys.executable).replace(
        "=ranvier\nGroup=ranvier", "=root\nGroup=root"
    )
    unit = tmp_path / "ranvier.service"
    unit.write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if "ranvier.service" in line]
    assert (done.returncode, said) == (0, [])


def test_its_command_is_one_that_the_program_takes() -> None:
    service = _service()
    assert service["Type"] == "notify"
    command = service["ExecStart"].split()
    assert parse_arguments(command[1:]).config_paths == ("/etc/ranvier/homeserver.yaml",)


def test_systemctl_reload_makes_the_server_read_its_files_again(homeserver_process: HomeserverProcess) -> None:
    command = _service()["ExecReload"].replace("$MAINPID", str(homeserver_process.pid)).split()
    if not os.path.exists(command[0]):
        command[0] = str(shutil.which("kill"))
    subprocess.run(command, check=True, timeout=10)
    homeserver_process.wait_for("Reloaded.")
