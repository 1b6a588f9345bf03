"""Commands as one types them: processes with a folder, arguments and what they say."""

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_DEADLINE_S = 60


def ranvier(folder: Path, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """`ranvier` with these arguments, to its end."""
    return python_module(folder, "ranvier", *argv, stdin=stdin)


def environment() -> dict[str, str]:
    """The variables with which Python finds this checkout, from whatever folder."""
    return os.environ | {"PYTHONPATH": str(_ROOT)}


def python_module(folder: Path, module: str, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """`python -m module` with these arguments, to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *argv],
        cwd=folder,
        env=environment(),
        capture_output=True,
        input=stdin,
        text=True,
        check=False,
        timeout=_DEADLINE_S,
    )
