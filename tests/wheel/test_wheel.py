"""What people install is all of the server, and only that."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_BUILD = "import sys; from poetry.core.masonry.api import build_wheel; print(build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-c", _BUILD, str(folder)]
    built = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
    return zipfile.ZipFile(folder / built.stdout.splitlines()[-1])


def test_holds_every_file_of_the_package_and_no_other(wheel: zipfile.ZipFile) -> None:
    ours = {
        path.relative_to(_ROOT).as_posix()
        for path in (_ROOT / "ranvier").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == ours
    assert any(name.endswith(".sql") for name in packed)
    assert "ranvier/py.typed" in packed


def test_carries_the_licence_and_the_commands(wheel: zipfile.ZipFile) -> None:
    (licence,) = (name for name in wheel.namelist() if name.endswith("/LICENSE"))
    assert "Apache License" in wheel.read(licence).decode()
    (commands,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert "register_new_matrix_user=" in wheel.read(commands).decode()


def test_runs_away_from_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "installed")
    command = [sys.executable, "-m", "ranvier", "--generate-config", "--server-name", "test.example"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    subprocess.run([*command, "--report-stats", "no"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert "test.example" in (tmp_path / "homeserver.yaml").read_text()
