"""A homeserver as an operator runs it: a process, a folder, a configuration file."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.services.ports import free_port

SERVER_NAME = "test.example"
_ROOT = Path(__file__).parents[2]
_START_S = 60
_STOP_S = 20
_LAST_LINES = 30


class HomeserverProcess:
    """One homeserver, which may be killed and started again; its folder, data and port stay."""

    def __init__(self, folder: Path, database: dict[str, object], options: dict[str, object]) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = folder / "homeserver.yaml"
        self._output = folder / "output.log"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        listeners = options.pop("more_listeners", ())
        assert isinstance(listeners, tuple)
        self.options = self._default_options() | {"database": database} | options
        """The configuration; `write_options` changes it."""
        self.options["listeners"] = [*self.options["listeners"], *listeners]  # type: ignore[misc]
        self.write_options()

    def write_options(self, **changed: object) -> None:
        """Write the configuration file, with these options changed."""
        self.options.update(changed)
        # Every JSON document is a YAML document.
        self.config.write_text(json.dumps(self.options, indent=2))

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "ranvier", "-c", str(self.config)]

    def _default_options(self) -> dict[str, object]:
        plenty = {"per_second": 10_000, "burst_count": 10_000}
        return {
            "server_name": SERVER_NAME,
            "report_stats": False,
            "pid_file": str(self.folder / "homeserver.pid"),
            "media_store_path": str(self.folder / "media_store"),
            "signing_key_path": str(self.folder / "signing.key"),
            "registration_shared_secret": "shared secret of the tests",
            "macaroon_secret_key": "macaroon secret of the tests",
            "form_secret": "form secret of the tests",
            "enable_registration": True,
            "enable_registration_without_verification": True,
            # Not the passwords are tested: with the cheapest hash, hundreds of accounts cost nothing.
            "bcrypt_rounds": 4,
            "trusted_key_servers": [],
            "rc_message": plenty,
            "rc_registration": plenty,
            "rc_login": {"address": plenty, "account": plenty, "failed_attempts": plenty},
            "rc_joins": {"local": plenty, "remote": plenty},
            "rc_joins_per_room": plenty,
            "rc_invites": {"per_room": plenty, "per_user": plenty, "per_issuer": plenty},
            "listeners": [
                {
                    "port": self.port,
                    "type": "http",
                    "bind_addresses": ["127.0.0.1"],
                    "resources": [{"names": ["client", "federation"], "compress": False}],
                }
            ],
        }

    @property
    def pid(self) -> int:
        """The number of the running process."""
        assert self._process is not None, "the homeserver has not been started"
        return self._process.pid

    def output(self) -> str:
        """What it wrote to its standard output and error, over all its lives."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def wait_for(self, text: str) -> None:
        """Wait until it has said something."""
        deadline = time.monotonic() + _START_S
        while text not in self.output():
            assert time.monotonic() < deadline, self.last_words()
            time.sleep(0.02)

    def last_words(self) -> str:
        """The end of its output."""
        return "\n".join(self.output().splitlines()[-_LAST_LINES:])

    def start(self, *, before_exec: Callable[[], None] | None = None) -> None:
        """Start it and wait until it answers; `before_exec` runs in the child, before it becomes the server."""
        assert self._process is None, "the homeserver runs already"
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=before_exec,  # noqa: PLW1509  # it only makes system calls
            )
        self._wait_until_it_answers()

    def kill(self) -> None:
        """Kill it as a crash would: no chance to finish anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, and wait; its exit status."""
        return self._end(signal.SIGTERM)

    def close(self) -> None:
        """The test is over."""
        if self._process is not None:
            self.kill()

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None, "the homeserver has not been started"
        self._process.send_signal(number)
        try:
            return self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"the homeserver did not end within {_STOP_S} s of {number.name}") from None
        finally:
            self._process = None

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"the homeserver ended while starting:\n{self.output()}")
            if self._answers():
                return
            time.sleep(0.05)
        raise AssertionError(f"the homeserver did not answer within {_START_S} s:\n{self.output()}")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/_matrix/client/versions")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()
