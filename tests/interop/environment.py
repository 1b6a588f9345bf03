"""A virtual environment with Synapse, from the Python Package Index, kept in `.cache` of this checkout."""

import os
import subprocess
import sys
from pathlib import Path

from tests.services.locking import one_at_a_time

VERSION = "1.163.2"
_FOLDER = Path(__file__).parents[2] / ".cache" / f"synapse-{VERSION}"
_INSTALL_S = 900
_OTHER = "RANVIER_TEST_SYNAPSE_PYTHON"
"""A Python that has Synapse already, if somebody wants to test against theirs."""


def synapse_python() -> str:
    """The Python that runs Synapse; installs it the first time, which needs the network.

    Raises `RuntimeError` with pip's words if it cannot be done.
    """
    if other := os.environ.get(_OTHER):
        return other
    _FOLDER.parent.mkdir(exist_ok=True)
    python = str(_FOLDER / "bin" / "python")
    note = _FOLDER / ".installed"
    with one_at_a_time(_FOLDER.parent / ".installing"):
        if not note.exists():
            _run(sys.executable, "-m", "venv", "--clear", str(_FOLDER))
            _run(python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", f"matrix-synapse=={VERSION}")
            note.touch()
    return python


def _run(*command: str) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_INSTALL_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed; it needs the network the first time:\n{done.stdout}")
