"""Synapse as a process, configured like the Ranvier beside it."""

import json
import subprocess
from pathlib import Path

from tests.federation_tls.server import Certificates, FederatingServer

_KEYS_S = 60


class SynapseServer(FederatingServer):
    """Started, stopped and killed like any other server."""

    def __init__(self, folder: Path, certificates: Certificates, *, python: str, host: str) -> None:
        self._python = python
        log = folder / "log.yaml"
        super().__init__(folder, certificates, host=host, options={"log_config": str(log), **_OPTIONS})
        log.write_text(json.dumps(_LOG))
        self._make_keys()

    def _command(self) -> list[str]:
        return [self._python, "-m", "synapse.app.homeserver", "-c", str(self.config)]

    def _make_keys(self) -> None:
        done = subprocess.run(
            [*self._command(), "--generate-keys"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_KEYS_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout


_OPTIONS = {
    # Else it gives the same first sync again for two minutes.
    "caches": {"sync_response_cache_duration": 0},
}
_LOG = {
    "version": 1,
    "formatters": {"plain": {"format": "%(asctime)s %(name)s %(levelname)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"level": "WARNING", "handlers": ["console"]},
    "disable_existing_loggers": False,
}
