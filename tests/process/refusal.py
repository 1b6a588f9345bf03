"""A server that does not start, and what it says."""

import os
import subprocess
import sys
from pathlib import Path

from tests.services.homeserver import HomeserverProcess

_ROOT = Path(__file__).parents[2]


def refusal(server: HomeserverProcess, *, modules: Path | None = None) -> str:
    """What it says; `modules`: a folder whose modules stand before those that are installed."""
    path = os.pathsep.join([*([] if modules is None else [str(modules)]), str(_ROOT)])
    done = subprocess.run(  # noqa: PLW1510  # the status is looked at
        [sys.executable, "-m", "ranvier", "-c", str(server.config)],
        env={**os.environ, "PYTHONPATH": path},
        cwd=server.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr
